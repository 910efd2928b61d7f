/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bothy completion: scripts for shells, which ask `bothy __complete` what could stand where the cursor is (complete.c), so that
 * a script never has to be made again when a command changes, and names of images come as they are at that moment.
 */
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "cli/bothy.h"

#define ANSWER_MAX 1048576

/* Bash cuts words at the characters of COMP_WORDBREAKS, ':' and '=' among them. We cut at blanks, and give back only what stands
 * behind the last such character. */
static const char bash_script[] =
	"# bash completion for bothy\n"
	"_bothy() {\n"
	"  local line=${COMP_LINE:0:COMP_POINT} words=() cur strip item\n"
	"  read -ra words <<<\"$line\"\n"
	"  [[ $line == *[[:space:]] ]] && words+=('')\n"
	"  cur=${words[-1]}\n"
	"  strip=${cur%\"${cur##*[:=]}\"}\n"
	"  COMPREPLY=()\n"
	"  while IFS= read -r item; do\n"
	"    item=${item%%$'\\t'*}\n"
	"    case $item in\n"
	"    :files) mapfile -t -O ${#COMPREPLY[@]} COMPREPLY < <(compgen -f -- \"${cur#\"$strip\"}\"); compopt -o filenames ;;\n"
	"    :folders) mapfile -t -O ${#COMPREPLY[@]} COMPREPLY < <(compgen -d -- \"${cur#\"$strip\"}\"); compopt -o filenames ;;\n"
	"    *) COMPREPLY+=(\"${item#\"$strip\"}\") ;;\n"
	"    esac\n"
	"  done < <(\"${words[0]}\" __complete -- \"${words[@]:1}\" 2>/dev/null)\n"
	"}\n"
	"complete -F _bothy bothy\n";

static const char zsh_script[] =
	"#compdef bothy\n"
	"# zsh completion for bothy\n"
	"_bothy() {\n"
	"  local line word about\n"
	"  local -a items\n"
	"  while IFS= read -r line; do\n"
	"    case $line in\n"
	"    :files) _files ;;\n"
	"    :folders) _files -/ ;;\n"
	"    *)\n"
	"      word=${line%%$'\\t'*}\n"
	"      about=${line#$word}\n"
	"      items+=(\"${word//:/\\\\:}${about:+:${about#$'\\t'}}\") ;;\n"
	"    esac\n"
	"  done < <($words[1] __complete -- \"${(@)words[2,CURRENT]}\" 2>/dev/null)\n"
	"  (( $#items )) && _describe bothy items\n"
	"}\n"
	"if [[ ${funcstack[1]} == _bothy ]]; then _bothy \"$@\"; else compdef _bothy bothy; fi\n";

static const char fish_script[] = "# fish completion for bothy\n"
				  "function __bothy_complete\n"
				  "  set -l words (commandline -opc) (commandline -ct)\n"
				  "  for line in ($words[1] __complete -- $words[2..-1] 2>/dev/null)\n"
				  "    switch $line\n"
				  "      case :files\n"
				  "        __fish_complete_path (commandline -ct)\n"
				  "      case :folders\n"
				  "        __fish_complete_directories (commandline -ct)\n"
				  "      case '*'\n"
				  "        echo $line\n"
				  "    end\n"
				  "  end\n"
				  "end\n"
				  "complete -c bothy -f -a '(__bothy_complete)'\n";

static const struct {
	const char *name, *script;
} shells[] = {{"bash", bash_script}, {"zsh", zsh_script}, {"fish", fish_script}};

static int run_completion(void *global, void *options, const struct args *args, struct error *err)
{
	(void)global;
	(void)options;
	for (size_t i = 0; i < ARRAY_SIZE(shells); i++)
		if (str_eq(args->items[0], shells[i].name)) {
			(void)fputs(shells[i].script, stdout);
			return 0;
		}
	return error_set(err, ERROR_UNSUPPORTED, EOPNOTSUPP, "completion: expected bash, zsh or fish, got \"%s\"",
			 args->items[0]);
}

const struct command cmd_completion = {
	.name = "completion",
	.group = "About",
	.args = "bash|zsh|fish",
	.summary = "print a completion script for a shell",
	.options_size = 1,
	.min_args = 1,
	.max_args = 1,
	.run = run_completion,
	.examples = "  bothy completion bash > /etc/bash_completion.d/bothy\n"
		    "  bothy completion zsh > \"${fpath[1]}/_bothy\"\n"
		    "  bothy completion fish > ~/.config/fish/completions/bothy.fish",
};

static void offer_images(const struct bothy_global *g, struct completion *out)
{
	autoengine struct engine *e = NULL;
	autoclean(store_image_list_done) struct store_image_list list = {};
	struct store *store;
	struct error err;

	/* Whoever presses a key does not want to read why there is nothing. */
	if (bothy_open(g, &e, &err) < 0 || engine_store(e, &store, &err) < 0 ||
	    store_image_list(store, &list, &err) < 0)
		return;
	for (size_t i = 0; i < list.count; i++) {
		char word[512];

		if (!list.rows[i].repository || !list.rows[i].tag)
			(void)snprintf(word, sizeof(word), "%.12s", list.rows[i].id + strlen("sha256:"));
		else if ((size_t)snprintf(word, sizeof(word), "%s:%s", list.rows[i].repository, list.rows[i].tag) >=
			 sizeof(word))
			continue;
		completion_add(out, word, NULL);
	}
}

static void offer_artifacts(const struct bothy_global *g, struct completion *out)
{
	autoclean(store_artifact_list_done) struct store_artifact_list list = {0};
	autoengine struct engine *e = NULL;
	struct store *store;
	struct error err;

	if (bothy_open(g, &e, &err) < 0 || engine_store(e, &store, &err) < 0 ||
	    store_artifact_list(store, &list, &err) < 0)
		return;
	for (size_t i = 0; i < list.count; i++)
		completion_add(out, list.items[i].name, NULL);
}

void bothy_values(void *global, const char *kind, struct completion *out)
{
	static const struct {
		const char *kind;
		void (*offer)(const struct bothy_global *g, struct completion *out);
	} kinds[] = {{"IMAGE", offer_images}, {"ARTIFACT", offer_artifacts}};

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		if (str_eq(kinds[i].kind, kind))
			kinds[i].offer(global, out);
}

static int run_complete(void *global, void *options, const struct args *args, struct error *err)
{
	autobuf struct buf out = BUF_INIT(ANSWER_MAX);
	autoargs struct args rest = {};
	struct bothy_global typed = *(struct bothy_global *)global;

	(void)options;
	/* --root among the typed words counts; what cannot be parsed yet is still being typed. */
	if (args->count)
		(void)option_parse(bothy_program.options, (int)args->count - 1, args->items, true, &typed, &rest, err);
	command_complete(&bothy_program, args->count, args->items, &typed, &out);
	(void)fputs(buf_str(&out), stdout);
	return 0;
}

const struct command cmd_complete = {
	.name = "__complete",
	.hidden = true,
	.args = "[WORD...]",
	.summary = "say what could be typed next, for the shells' scripts",
	.options_size = 1,
	.max_args = -1,
	.run = run_complete,
};
