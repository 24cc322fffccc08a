# SPDX-License-Identifier: Apache-2.0
"""Each lint finds what it is for, and only that."""
import contextlib
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

import c_clang
import c_format
import c_tidy
import generated_docs
import headers_alone
import layers
import openapi_lint
import scripts
import size
import telemetry_names
import unused_exports
import versions
import words

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from deploy import dashboard, prometheus  # noqa: E402 after the path is set

SPDX = "/* SPDX-License-Identifier: Apache-2.0 */\n"


@contextlib.contextmanager
def tree(**contents):
    """A directory with files; "__" in a name stands for "/", a last "_" for ".", e.g. src__a_c."""
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        for name, text in contents.items():
            stem, _, suffix = name.replace("__", "/").rpartition("_")
            path = root / f"{stem}.{suffix}"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        yield root


class TelemetryNames(unittest.TestCase):
    FILES = {
        "src__observe__metrics_h": 'X(M_A, "bff_a_total", METRIC_COUNTER, "", "") \\\n  X(M_B, "bff_b_seconds", METRIC_HISTOGRAM, "", "")\n',
        "src__base__log_events_h": 'X("a.b", event, web, info, "", "") \\\n X("log.dropped", event, process, info, "", "")\n',
        "src__api__flow_h": "", "src__api__a_c": 'LOG(x ? LOG_INFO : LOG_WARN, "a.b", "Text", LOG_S("c.d", e));\n',
        "docs__metrics_md": "| `bff_a_total` |\n| `bff_b_seconds` |\n",
        "docs__logs_md": "| `a.b` |\n| `log.dropped` |\n",
    }

    def findings(self, **changes):
        with tree(**{**self.FILES, **changes}) as root:
            return "\n".join(telemetry_names.check(root))

    def test_names_that_agree_pass(self):
        self.assertEqual("", self.findings(README_md="`bff_b_seconds_bucket`, bff_a_total, bff_ca.pem, http_client_start()"))

    def test_a_metric_that_does_not_exist_is_found(self):
        for changes in ({"README_md": "see `bff_c_total`"}, {"deploy__prometheus__rules_yml": "expr: rate(bff_c_total[5m])"},
                        {"deploy__grafana__board_json": '"expr": "sum(http_client_c_seconds_bucket)"'}):
            with self.subTest(changes):
                self.assertIn("no metric is called", self.findings(**changes))

    def test_a_metric_without_documentation_is_found(self):
        self.assertIn("bff_b_seconds", self.findings(docs__metrics_md="| `bff_a_total` |\n"))

    def test_an_event_that_is_logged_and_not_in_the_table_is_found(self):
        self.assertIn("x.y is no event", self.findings(src__api__b_c='LOG(LOG_INFO, "x.y", "Text");\n'))
        self.assertIn("x.y is no event", self.findings(src__api__b_c='LOG_ANYWAY(LOG_INFO, "x.y", "Text");\n'))

    def test_an_event_that_nothing_logs_is_found(self):
        self.assertIn("nothing logs a.b", self.findings(src__api__a_c=""))


class Alerts(unittest.TestCase):
    RULE = """groups:
  - rules:
      - alert: BffA
        expr: rate(bff_a_total{error_type=~"internal",limit!~"a_max"}[5m]) > 0
        labels: {severity: warning, area: us}
        annotations: {summary: s, description: d, runbook_url: docs/alerts.md#bffa}
"""
    TESTS = """tests:
  - promql_expr_test:
      - {expr: 'ALERTS{alertname="BffA"}', exp_samples: []}
      - {expr: 'ALERTS{alertname="BffA"}', exp_samples: [{value: 1}]}
"""
    DASHBOARD = """{"panels": [{"type": "stat", "title": "A", "description": "a", "targets": [{"expr": "bff_b"}],
                  "fieldConfig": {"defaults": {"unit": "s"}}}], "annotations": {"list": []}}"""

    FITTED = "{OPT_A_MAX, 1, 2},"

    def findings(self, rule=RULE, tests=TESTS, runbook="### BffA\n", fitted=FITTED):
        with tree(docs__metrics_md="| `bff_a_total` | counter |\n| `bff_b` | gauge |\n", docs__errors_md="| 500 | `internal` |\n",
                  docs__alerts_md=runbook, deploy__prometheus__rules__a_yml=rule, deploy__prometheus__tests__a_yml=tests,
                  src__config__memory_fit_c=fitted,
                  **{"deploy__grafana__biometrics-bff_json": self.DASHBOARD}) as root:
            return [*prometheus.lint(root), *dashboard.lint(root)]

    def test_what_is_whole_passes(self):
        self.assertEqual([], self.findings())

    def test_each_thing_that_is_missing_or_made_up_is_found(self):
        for change, told in (({"rule": self.RULE.replace("bff_a", "bff_c")}, "no metric bff_c_total"),
                             ({"rule": self.RULE.replace("internal", "internal|lost")}, "no error code lost"),
                             ({"rule": self.RULE.replace("warning", "bad")}, "labels are severity"),
                             ({"rule": self.RULE.replace("#bffa", "#bffb")}, "runbook_url is"),
                             ({"fitted": ""}, "no option is fitted"), ({"fitted": "{OPT_B_MAX,"}, "b_max is fitted"),
                             ({"tests": self.TESTS.replace("[{value: 1}]", "[]")}, "no test in which it fires"),
                             ({"runbook": ""}, "no section BffA"), ({"runbook": "### BffA\n### BffB\n"}, "section BffB")):
            with self.subTest(told):
                self.assertIn(told, "\n".join(self.findings(**change)))


class Layers(unittest.TestCase):
    def test_a_lower_layer_may_not_include_a_higher_one(self):
        with tree(src__base__a_c='#include "net/loop.h"\n') as root:
            self.assertIn("layer above", "".join(layers.check(root)))

    def test_siblings_may_not_include_each_other(self):
        with tree(src__config__a_c='#include "observe/metrics.h"\n') as root:
            self.assertEqual(1, len(list(layers.check(root))))

    def test_an_include_carries_its_folder(self):
        with tree(src__net__a_c='#include "loop.h"\n') as root:
            self.assertEqual(1, len(list(layers.check(root))))

    def test_third_party_headers_stay_behind_their_walls(self):
        for header in ("microhttpd.h", "curl/curl.h", "jwt.h", "cjson/cJSON.h", "openssl/evp.h"):
            with self.subTest(header), tree(src__api__start_c=f"#include <{header}>\n") as root:
                self.assertIn("not for this file", "".join(layers.check(root)))

    def test_what_is_allowed_passes(self):
        with tree(src__net__http_client_c='#include <curl/curl.h>\n#include "base/buf.h"\n',
                  src__main_c='#include "worker.h"\n#include "api/app.h"\n/* #include "x/y.h" */\n') as root:
            self.assertEqual([], list(layers.check(root)))


class Size(unittest.TestCase):
    def function(self, lines):
        return "static int f(int a)\n{\n" + "    a++;\n" * (lines - 4) + "    return a;\n}\n"

    def test_a_function_over_the_limit_is_found_and_one_at_the_limit_is_not(self):
        with tree(src__base__a_c=self.function(61)) as root:
            self.assertIn("f() has 61 lines", "".join(size.check(root)))
        with tree(src__base__a_c=self.function(60)) as root:
            self.assertEqual([], list(size.check(root)))

    def test_deep_blocks_are_found_and_initialisers_do_not_count(self):
        deep = "void f(void)\n{\n if (a) {\n for (;;) {\n while (b) {\n if (c) {\n }\n }\n }\n }\n}\n"
        with tree(src__base__a_c=deep) as root:
            self.assertIn("5 deep", "".join(size.check(root)))
        flat = "void f(void)\n{\n if (a) {\n struct s s = {{{{{1}}}}};\n g((struct s){.a = {1}});\n }\n}\n"
        with tree(src__base__a_c=flat) as root:
            self.assertEqual([], list(size.check(root)))

    def test_a_long_file_is_found(self):
        with tree(src__base__a_c="\n" * 501) as root:
            self.assertEqual(1, len(list(size.check(root))))


class Versions(unittest.TestCase):
    FILES = {"meson_build": "project('x', 'c',\n  version: '1.2.3',\n", "CHANGELOG_md": "# Changelog\n\n## 1.2.3 (today)\n",
             "deploy__helm__biometrics-bff__Chart_yaml": "version: 7.0.0\nappVersion: 1.2.3\n",
             "openapi__biometrics-bff_yaml": "info:\n  version: 1.2.3\n"}

    def found(self, image, **changed):
        with tree(**{**self.FILES, **changed}) as root:
            (root / "Dockerfile").write_text(f"FROM x\nARG VERSION={image}\n")
            return list(versions.check(root))

    def test_versions_that_agree_pass_whatever_the_charts_own_is(self):
        self.assertEqual(self.found("1.2.3"), [])

    def test_a_place_with_another_version_or_none_is_found(self):
        self.assertEqual(len(self.found("1.2.4")), 1)
        self.assertEqual(len(self.found("1.2.3", meson_build="  version: '1.3.0',\n")), 4)
        self.assertEqual(len(self.found("1.2.3", CHANGELOG_md="# Changelog\n")), 1)


class Words(unittest.TestCase):
    def test_banned_functions_comments_and_notes_are_found(self):
        for text in ("void f(void) { strcpy(a, b); }\n", "int a; // b\n", "/* TODO: later */\n", "/* FIXME */\n"):
            with self.subTest(text), tree(src__base__a_c=SPDX + text) as root:
                self.assertEqual(1, len(list(words.check(root))))

    def test_the_licence_line_is_required(self):
        with tree(src__base__a_c="int a;\n") as root:
            self.assertIn("SPDX", "".join(words.check(root)))

    def test_strings_members_and_longer_names_are_no_findings(self):
        text = 'const char *u = "http://x"; int b = p->rand(1) + my_strcpy(1);\n/* strcpy() // */\n'
        with tree(src__base__a_c=SPDX + text) as root:
            self.assertEqual([], list(words.check(root)))


class Compiled(unittest.TestCase):
    def test_a_header_that_needs_another_is_found(self):
        with tree(src__base__a_h="#pragma once\nsize_t f(void);\n") as root:
            self.assertEqual(1, len(list(headers_alone.check(root))))
        with tree(src__base__a_h="#pragma once\n#include <stddef.h>\nsize_t f(void);\n") as root:
            self.assertEqual([], list(headers_alone.check(root)))

    def test_an_export_that_nobody_calls_is_found(self):
        with tree(src__a_c="int used(void); int used(void) { return 1; }\nint lonely(void); int lonely(void) { return 2; }\n",
                  src__b_c="int used(void);\nint main(void) { return used(); }\n") as root:
            build = root / "build"
            (build / "src").mkdir(parents=True)
            for name in ("a", "b"):
                subprocess.run(["gcc", "-c", str(root / "src" / f"{name}.c"), "-o", str(build / "src" / f"{name}.o")],
                               check=True)
            self.assertEqual(["src/a.o: lonely() is exported but no other file calls it"],
                             list(unused_exports.check(root, build)))

    @unittest.skipUnless(shutil.which("clang-format"), "needs clang-format")
    def test_unformatted_code_is_found(self):
        with tree(src__a_c="int a;\n\n\n\nint  b;\n") as root:
            self.assertEqual(1, len(list(c_format.check(root))))
        with tree(src__a_c="int a;\n") as root:
            self.assertEqual([], list(c_format.check(root)))

    @unittest.skipUnless(shutil.which("clang-tidy"), "needs clang-tidy")
    def test_a_tidy_finding_is_found(self):
        with tree(src__a_c="#include <stddef.h>\nint f(void);\nint f(void)\n{\n    int *p = NULL;\n    return *p;\n}\n") as root:
            shutil.copy(openapi_lint.pathlib.Path(__file__).parent.parent.parent / ".clang-tidy", root)
            build = root / "build"
            build.mkdir()
            (build / "compile_commands.json").write_text(
                f'[{{"directory": "{build}", "file": "../src/a.c", "command": "cc -c ../src/a.c"}}]')
            self.assertNotEqual([], list(c_tidy.check(root.resolve(), build.resolve())))

    @unittest.skipUnless(shutil.which("clang"), "needs clang")
    def test_what_clang_alone_warns_of_is_found(self):
        code = "enum e { A = -1 };\nunsigned f(enum e e);\nunsigned f(enum e e) { return e + 1u; }\n"
        command = "gcc -Wall -Wconversion -Werror -MD -MF a.d -o a.o -c ../a.c"
        with tree(a_c=code, build__compile_commands_json=json.dumps([{"command": command, "file": "../a.c"}])) as root:
            found = list(c_clang.check(root.resolve(), root.resolve() / "build"))
            self.assertEqual(1, len(found), found)
            self.assertIn("a.c:3:", found[0])
            self.assertEqual([], list(root.rglob("a.[do]")))

    @unittest.skipUnless(shutil.which("shellcheck"), "needs shellcheck")
    def test_a_careless_script_is_found(self):
        with tree(a_sh="#!/bin/bash\nrm $1\n", b_py="def f(:\n") as root:
            self.assertEqual(2, len(list(scripts.check(root))))


class Openapi(unittest.TestCase):
    HEADER = 'X(ERR_A, 400, "a", "Title", RETRY_NEVER, 0, "when")'

    def document(self, **changes):
        value = dict({"status": 400, "title": "Title", "retry": "never", "code": "a"}, **changes)
        return {"components": {"examples": {"problem_a": {"value": value}},
                               "responses": {"Bad": {"$ref": "#/components/examples/problem_a"}}},
                "paths": {"/v1/a": {"get": {}}}}

    def test_agreement_passes(self):
        self.assertEqual([], list(openapi_lint.check_errors(self.document(), self.HEADER)))
        self.assertEqual([], list(openapi_lint.check_routes(self.document(), '{HTTP_GET, "/v1/a", 1}')))

    def test_a_different_or_missing_error_is_found(self):
        self.assertEqual(1, len(list(openapi_lint.check_errors(self.document(retry="same"), self.HEADER))))
        more = self.HEADER + ' X(ERR_B, 401, "b", "B", RETRY_SAME, 0, "when")'
        self.assertEqual(2, len(list(openapi_lint.check_errors(self.document(), more))))

    def test_what_an_operation_says_about_the_vendors_failures_is_compared(self):
        page = "### start\n\n| `late` | refuse | 504 | `upstream_timeout` | `same` |\n"
        said = {"late": {"action": "refuse", "status": 504, "code": "upstream_timeout", "retry": "same"}}
        document = {"paths": {"/s": {"post": {"operationId": "startBiometrics", "x-resilience": said}}}}
        in_document = [finding for finding in openapi_lint.check_resilience(document, page) if "x-" in finding]
        self.assertEqual([], in_document)
        said["late"]["retry"] = "never"
        findings = list(openapi_lint.check_resilience(document, page))
        self.assertTrue(any("startBiometrics" in finding for finding in findings))

    def test_a_route_on_one_side_only_is_found(self):
        self.assertEqual(2, len(list(openapi_lint.check_routes(self.document(), '{HTTP_POST, "/v1/a", 1}'))))


class Faults(unittest.TestCase):
    TEST = 'from faults.marks import row\n\n\n@row({row}, long=True)\n@other\ndef test_it_holds(scene):\n    pass\n'

    def test_a_proof_is_found_by_its_decorator(self):
        with tree(tests__faults__test_a_py=self.TEST.format(row='"FU01", "FP01"')) as root:
            page = generated_docs.faults_page.page(root)
        lines = [line for line in page.splitlines() if "it_holds (*long*)" in line]
        self.assertEqual(["| FU01", "| FP01"], [line[:6] for line in lines])

    def test_a_row_that_is_not_in_the_catalogue_is_an_error(self):
        with tree(tests__e2e__test_a_py=self.TEST.format(row='"FU99"')) as root:
            self.assertRaises(ValueError, generated_docs.faults_page.page, root)


if __name__ == "__main__":
    unittest.main()
