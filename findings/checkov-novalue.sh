#!/usr/bin/env bash
# checkov 3.3.30: a property that is `!Ref AWS::NoValue`, which CloudFormation takes as not there, is a value for checks
# that ask whether a property is set. template.yaml has such properties behind conditions (DataKeyArn,
# ReservedConcurrency): that checkov does not report them says that they can be set, not that they are.
#
# Output seen:
#   without the properties:      Passed checks: 2, Failed checks: 6
#   each one AWS::NoValue:       Passed checks: 8, Failed checks: 0
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check checkov==3.3.30

# template VALUE...: a template whose properties have these values, or lack them.
template() {
    cat <<END
Resources:
  Function:
    Type: AWS::Lambda::Function
    Properties:
      Runtime: python3.13
      Handler: index.handler
      Role: arn:aws:iam::123456789012:role/function
      Code: {S3Bucket: code, S3Key: function.zip}
      Environment: {Variables: {A: b}}
      ${1:+KmsKeyArn: $1}
      ${1:+ReservedConcurrentExecutions: $1}
      ${1:+DeadLetterConfig: {TargetArn: $1\}}
  Logs:
    Type: AWS::Logs::LogGroup
    Properties:
      LogGroupName: logs
      ${1:+KmsKeyId: $1}
      ${1:+RetentionInDays: $1}
  Topic:
    Type: AWS::SNS::Topic
    Properties:
      TopicName: topic
      ${1:+KmsMasterKeyId: $1}
END
}

# summary: checkov's count of the template, with the checks that ask for these six properties, and two that do not.
summary() {
    "$work/venv/bin/checkov" --framework cloudformation --skip-download --compact --quiet --soft-fail \
        --check CKV_AWS_26,CKV_AWS_45,CKV_AWS_66,CKV_AWS_115,CKV_AWS_116,CKV_AWS_158,CKV_AWS_173,CKV_AWS_363 \
        --file "$1" 2>/dev/null | grep -o 'Passed checks: [0-9]*, Failed checks: [0-9]*'
}

template >"$work/without.yaml"
template '!Ref AWS::NoValue' >"$work/novalue.yaml"
without=$(summary "$work/without.yaml")
novalue=$(summary "$work/novalue.yaml")
echo "without the properties:      $without"
echo "each one AWS::NoValue:       $novalue"
[ "$without" = 'Passed checks: 2, Failed checks: 6' ]
[ "$novalue" = 'Passed checks: 8, Failed checks: 0' ]
