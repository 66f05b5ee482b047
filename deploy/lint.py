"""lint.py FILE...: checks what is deployed as text, offline: CloudFormation or SAM, Terraform (.tf), Kubernetes
(YAML with an apiVersion), Dockerfiles.

CloudFormation goes through cfn-lint. SAM is expanded first: cfn-lint alone passes a made-up runtime there. And in
all of them the mapping's ReportBatchItemFailures and weir's own switch must stand together: with only the first,
a partial failure repeats the whole batch; with only the second, Lambda ignores the answer and records vanish."""
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

os.environ.setdefault("AWS_DEFAULT_REGION", "us-east-1")
SWITCH, TYPES = "WEIR_REPORT_BATCH_ITEM_FAILURES", "ReportBatchItemFailures"


def together(switch, types):
    """What is wrong with a function's variables and its mapping's response types, or None."""
    on, reported = str(switch).lower() == "true", TYPES in (types or [])
    if reported and not on:
        return f"the mapping has {TYPES}, but the function lacks {SWITCH}: \"true\""
    if on and not reported:
        return f"the function has {SWITCH}: \"true\", but the mapping lacks {TYPES}: records would vanish"
    return None


def expand(document):
    """SAM to CloudFormation, as the service does it."""
    from samtranslator.translator.transform import transform

    class NoPolicies:
        def load(self):
            return {}

    for resource in document["Resources"].values():
        for key in ("CodeUri", "ContentUri"):
            if key in resource.get("Properties", {}):
                resource["Properties"][key] = "s3://bucket/key"  # as `sam package` would
    return transform(document, {name: parameter.get("AllowedValues", ["value"])[0]
                                for name, parameter in document.get("Parameters", {}).items()
                                if "Default" not in parameter}, NoPolicies())


def check_yaml(path):
    from samtranslator.yaml_helper import yaml_parse
    document = yaml_parse(path.read_text())
    if "Transform" in document:
        document = expand(document)
    problems = []
    resources = document["Resources"].values()
    functions = [r for r in resources if r["Type"] == "AWS::Lambda::Function"]
    mappings = [r for r in resources if r["Type"] == "AWS::Lambda::EventSourceMapping"]
    daemon = any(r["Type"] == "AWS::ECS::TaskDefinition" for r in resources)
    if not daemon and (not functions or not mappings):
        problems.append("no function, or no event source mapping")
    for function in functions:
        switch = function["Properties"].get("Environment", {}).get("Variables", {}).get(SWITCH)
        problems += [together(switch, m["Properties"].get("FunctionResponseTypes")) for m in mappings]
    with tempfile.NamedTemporaryFile("w", suffix=".json") as expanded:
        json.dump(document, expanded)
        expanded.flush()
        ran = subprocess.run([Path(sys.executable).parent / "cfn-lint", "--non-zero-exit-code", "warning", "--format",
                              "parseable", expanded.name], capture_output=True, text=True)
        if ran.returncode != 0:
            problems.append((ran.stdout + ran.stderr).replace(expanded.name, str(path)).strip())
    return [p for p in problems if p]


def check_terraform(path):
    import hcl2
    with path.open() as file:
        document = hcl2.load(file)
    resources = {}
    for entry in document.get("resource", []):
        for kind, named in entry.items():
            resources.setdefault(kind.strip('"'), []).extend(named.values())
    if "aws_lambda_function" not in resources:
        return []
    problems, variable = [], "var.report_batch_item_failures"
    for function in resources["aws_lambda_function"]:
        # merge() and the like are kept as text
        found = re.search(SWITCH + r'[^=:]*[=:][\\" ]*([^,}" ]+)', json.dumps(function["environment"]))
        switch = found.group(1) if found else ""
        for mapping in resources.get("aws_lambda_event_source_mapping", []):
            types = json.dumps(mapping.get("function_response_types"))
            if variable in switch and variable in types:
                continue  # one variable for both
            on = variable in switch or switch.strip('\\"') == "true"
            problems.append(together(on, [TYPES] if TYPES in types else []))
    if "aws_lambda_event_source_mapping" not in resources:
        problems.append("no event source mapping")
    return [p for p in problems if p]


def lint_by(tool, *arguments):
    """Another program beside this Python: what it complains of."""
    ran = subprocess.run([Path(sys.executable).parent / tool, *arguments], capture_output=True, text=True)
    return [] if ran.returncode == 0 else [(ran.stdout + ran.stderr).strip()]


def check(path):
    if path.suffix == ".tf":
        return check_terraform(path)
    if path.name.startswith("Dockerfile"):
        return lint_by("hadolint", "--no-color", "--config", Path(__file__).with_name("hadolint.yaml"), path)
    if re.search(r"^apiVersion:", path.read_text(), re.M):
        return lint_by("kubernetes-validate", "--strict", path)
    return check_yaml(path)


def main():
    failed = 0
    for name in sys.argv[1:]:
        path = Path(name)
        problems = check(path)
        failed += bool(problems)
        for problem in problems:
            print(f"{path}: {problem}")
    print(f"{len(sys.argv) - 1} files, {failed} with problems")
    return 1 if failed or len(sys.argv) < 2 else 0


if __name__ == "__main__":
    sys.exit(main())
