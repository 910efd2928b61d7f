# SPDX-License-Identifier: Apache-2.0
"""The image commands next to Debian's docker.io: the same archive in both, the same questions, field by field."""

import json

import test_image_commands as ours
from harness import check, check_equal, test
from peers import Docker, engine

# Known and wanted (docs/images.md, "What differs").
IMAGES_DIFFER = {"Digest", "CreatedSince", "VirtualSize"}
CONFIG_OLD = {"Hostname", "Domainname", "AttachStdin", "AttachStdout", "AttachStderr", "Tty", "OpenStdin", "StdinOnce", "Image"}


@test(root=True)
def columns_and_fields_as_docker(w):
    ours.image(w, "one", "team/app:1.5", {"team": "core", "b.x": "2"}, created="2023-05-06T07:08:09Z")
    ours.image(w, "two", "debian:12", content=b"y" * 100)
    archive = w.tmp / "both.tar"
    ours.ok(w, "save", "-o", archive, "team/app:1.5", "debian:12")
    with engine(w, Docker) as d:
        d.ok("load", "-i", archive)
        try:
            compare(w, d)
        finally:
            d.ok("rmi", "team/app:1.5", "debian:12")


def compare(w, d):
    def both(*args):
        return d.ok(*args).splitlines(), ours.ok(w, *args).splitlines()

    for reference in ("team/app", "debian:12", "team/*"):
        theirs, mine = both("images", "--format", "json", reference)
        if "json" in theirs[:1]:  # before 23 it was taken for a template
            theirs, mine = both("images", "--format", "{{json .}}", reference)
        check_equal(len(mine), len(theirs), reference)
        for one, other in zip(map(json.loads, mine), map(json.loads, theirs)):
            check(set(other) <= set(one), f"fields: {sorted(set(other) - set(one))} are missing")
            for field in set(other) - IMAGES_DIFFER:
                check_equal(one[field], other[field], f"images {field}")
    for form in ("{{.ID}} {{.Repository}}:{{.Tag}} {{.Size}}", "table {{.Repository}}\\t{{.Size}}\\t{{.ID}}",
                 "{{.ID | upper}} {{printf \"%-12s|\" .Tag}}", "{{if eq .Tag \"1.5\"}}a{{else}}b{{end}} {{len .ID}} {{truncate .ID 4}}"):
        theirs, mine = both("images", "--format", form, "team/app")
        check_equal(mine, theirs, form)
    for options in ((), ("--no-trunc",), ("-q",), ("-q", "--no-trunc"), ("-H=false",)):
        theirs, mine = both("history", *options, "team/app:1.5")
        check_equal([line.split() for line in mine], [line.split() for line in theirs], f"history {options}")
        check_equal(mine[0].rstrip(), theirs[0].rstrip(), f"the layout of history {options}")
    for form in ("{{.Id}} {{.RepoTags}} {{.Created}} {{.Author}} {{.Architecture}} {{.Os}} {{.Size}}", "{{json .Config.Labels}}",
                 "{{index .Config.Labels \"b.x\"}}{{index .Config.Labels \"nope\"}}|", "{{range .RootFS.Layers}}{{println .}}{{end}}",
                 "{{json .Config.Cmd}} {{json .Config.Env}} {{json .Config.ExposedPorts}}", "{{.RootFS.Type}} {{len .RootFS.Layers}}",
                 "{{range $k, $v := .Config.Labels}}{{$k}}={{$v}};{{end}}", "{{join .RepoTags \",\"}} {{with .Config}}{{.User}}{{end}}"):
        theirs, mine = both("inspect", "-f", form, "team/app:1.5")
        check_equal(mine, theirs, form)
    theirs, mine = (json.loads("\n".join(lines))[0] for lines in both("image", "inspect", "debian:12"))
    check(set(theirs) - {"ContainerConfig", "Container"} <= set(mine), f"inspect lacks {sorted(set(theirs) - set(mine))}")
    check(set(theirs["Config"]) - CONFIG_OLD <= set(mine["Config"]), f"Config lacks {sorted(set(theirs['Config']) - set(mine['Config']))}")
    for field in ("Id", "RepoTags", "Created", "Author", "Architecture", "Os", "RootFS", "Comment", "Parent"):
        check_equal(mine[field], theirs[field], f"inspect {field}")
    missing = d.docker("inspect", "--type", "image", "nope")
    check_equal((missing.code, json.loads(missing.out)), (1, []), "docker's answer to what is missing")
