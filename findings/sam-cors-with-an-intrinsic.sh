#!/usr/bin/env bash
# aws-sam-translator 1.115.0, which `sam build`, `sam deploy` and CloudFormation's transform run: the CorsConfiguration
# of an AWS::Serverless::HttpApi in which an intrinsic function stands.
#
# 1. If AllowOrigins alone is an intrinsic function, its value is taken for the whole configuration. The member's name
#    and all other members are gone from what is deployed, without a warning.
# 2. If the whole configuration is one, the words AllowOrigins, AllowHeaders, AllowMethods, ExposeHeaders, MaxAge and
#    AllowCredentials are replaced in its text, wherever they stand: a condition that has one of them in its name is
#    renamed where it is used, and not where it is declared.
#
# Output seen:
#   AllowOrigins an Fn::Split: {'Fn::Split': [',', 'https://app.example.com']}
#   all of it an Fn::If:       {'Fn::If': ['HasallowOrigins', {'allowOrigins': [...], 'allowMethods': ['GET']}, ...]}
#   conditions declared:       ['HasAllowOrigins']
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check aws-sam-translator==1.115.0
AWS_DEFAULT_REGION=eu-west-1 "$work/venv/bin/python" - 2>"$work/errors" <<'PYTHON' || { cat "$work/errors"; exit 1; }
from samtranslator.translator.managed_policy_translator import ManagedPolicyLoader
from samtranslator.translator.transform import transform


class NoPolicies(ManagedPolicyLoader):
    def __init__(self):
        pass

    def load(self):
        return {}


def cors(configuration):
    event = {"Type": "HttpApi", "Properties": {"ApiId": {"Ref": "Api"}, "Method": "GET", "Path": "/"}}
    template = {
        "Transform": "AWS::Serverless-2016-10-31",
        "Parameters": {"Origins": {"Type": "String", "Default": "https://app.example.com"}},
        "Conditions": {"HasAllowOrigins": {"Fn::Not": [{"Fn::Equals": [{"Ref": "Origins"}, ""]}]}},
        "Resources": {
            "Api": {"Type": "AWS::Serverless::HttpApi", "Properties": {"CorsConfiguration": configuration}},
            "Function": {
                "Type": "AWS::Serverless::Function",
                "Properties": {
                    "Runtime": "python3.13",
                    "Handler": "index.handler",
                    "InlineCode": "def handler(event, context): pass",
                    "Events": {"Get": event},
                },
            },
        },
    }
    translated = transform(template, {}, NoPolicies())
    body = translated["Resources"]["Api"]["Properties"]["Body"]
    return body["x-amazon-apigateway-cors"], list(translated["Conditions"])


split, _ = cors({"AllowOrigins": {"Fn::Split": [",", {"Ref": "Origins"}]}, "AllowMethods": ["GET"]})
print("AllowOrigins an Fn::Split:", split)
assert split == {"Fn::Split": [",", "https://app.example.com"]}, split

plain = {"AllowOrigins": ["https://app.example.com"], "AllowMethods": ["GET"]}
chosen, declared = cors({"Fn::If": ["HasAllowOrigins", plain, {"Ref": "AWS::NoValue"}]})
print("all of it an Fn::If:      ", chosen)
print("conditions declared:      ", declared)
assert chosen["Fn::If"][0] == "HasallowOrigins", chosen
assert declared == ["HasAllowOrigins"], declared
PYTHON
