"""Makes the resources of a translated template, each with the requests that CloudFormation would send."""

import http.server
import io
import json
import queue
import threading
import uuid
import zipfile
from dataclasses import dataclass, field

import boto3
from botocore.config import Config

from template import ACCOUNT, REGION, Template


@dataclass
class Made:
    """What `Ref` and `Fn::GetAtt` return of a resource."""

    id: str
    attributes: dict = field(default_factory=dict)


def coerced(value, shape):
    """Returns a value in the type that the API takes. CloudFormation takes "5" for 5, and "true" for true."""
    match shape.type_name:
        case "structure":
            unknown = value.keys() - shape.members.keys()
            if unknown:
                raise ValueError(f"{shape.name} has no member {', '.join(sorted(unknown))}")
            return {name: coerced(member, shape.members[name]) for name, member in value.items()}
        case "list":
            return [coerced(item, shape.member) for item in value]
        case "map":
            return {name: coerced(member, shape.value) for name, member in value.items()}
        case "integer" | "long":
            return int(value)
        case "double" | "float":
            return float(value)
        case "boolean":
            return value if isinstance(value, bool) else {"true": True, "false": False}[value]
        case "string" if isinstance(value, (dict, list)):
            return json.dumps(value)
        case "string":
            return value if isinstance(value, str) else json.dumps(value)
    return value


class Stack:
    """A stack that is being made."""

    def __init__(self, name, endpoint):
        self.name = name
        self.endpoint = endpoint
        self.made = {"AWS::StackName": name}

    def call(self, service, operation, **arguments):
        """Sends a request, with its arguments in the types of the API."""
        client = boto3.client(
            service,
            endpoint_url=self.endpoint,
            region_name=REGION,
            aws_access_key_id="test",
            aws_secret_access_key="test",
            config=Config(retries={"total_max_attempts": 1}),
        )
        shape = client.meta.service_model.operation_model(client.meta.method_to_api_mapping[operation]).input_shape
        return getattr(client, operation)(**coerced(arguments, shape))

    def deploy(self, path, parameters):
        """Makes all resources of a template, and returns its outputs."""
        template = Template(path, parameters)
        self.folder = template.folder
        for name in template.order():
            resource = template.resources[name]
            kind = resource["Type"]
            make = MAKERS.get("Custom" if kind.startswith("Custom::") else kind)
            if make is None:
                raise NotImplementedError(f"{name}: .ci/stack/resources.py cannot make a resource {kind}")
            properties = template.resolve(resource.get("Properties", {}), self.made)
            try:
                self.made[name] = make(self, name, properties, kind)
            except Exception as error:
                error.add_note(f"while {name} ({kind}) was made")
                raise
        return {name: template.resolve(value, self.made) for name, value in template.outputs().items()}

    def unique(self, name):
        """Returns a name as CloudFormation generates it."""
        return f"{self.name}-{name}-{uuid.uuid4().hex[:12].upper()}"


def as_map(tags):
    return {tag["Key"]: tag["Value"] for tag in tags}


def enforceable(value):
    """Returns policies as MiniStack can enforce them: without the conditions and the resource that it does not know."""
    if isinstance(value, list):
        return [enforceable(item) for item in value]
    if not isinstance(value, dict):
        return value
    if value.get("Action") == "ses:SendEmail":
        value = value | {"Resource": "*"}
    kept = {name: enforceable(member) for name, member in value.items() if not name.startswith(("kms:", "ses:", "events:"))}
    return {name: member for name, member in kept.items() if member or not value[name]}


def make_key(stack, _, properties, __):
    rotates = properties.pop("EnableKeyRotation", False)
    properties.pop("PendingWindowInDays")
    policy = enforceable(properties.pop("KeyPolicy"))
    key = stack.call("kms", "create_key", Policy=policy, **properties)["KeyMetadata"]
    if rotates:
        stack.call("kms", "enable_key_rotation", KeyId=key["KeyId"])
    return Made(key["KeyId"], {"Arn": key["Arn"]})


def make_log_group(stack, name, properties, _):
    group = stack.unique(name)
    days = properties.pop("RetentionInDays")
    if "KmsKeyId" in properties:
        properties["kmsKeyId"] = properties.pop("KmsKeyId")
    stack.call("logs", "create_log_group", logGroupName=group, **properties)
    stack.call("logs", "put_retention_policy", logGroupName=group, retentionInDays=days)
    return Made(group, {"Arn": f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{group}:*"})


def make_metric_filter(stack, name, properties, _):
    for word in ("LogGroupName", "FilterPattern"):
        properties[word[0].lower() + word[1:]] = properties.pop(word)
    properties["metricTransformations"] = [
        {member[0].lower() + member[1:]: value for member, value in transformation.items()}
        for transformation in properties.pop("MetricTransformations")
    ]
    stack.call("logs", "put_metric_filter", filterName=stack.unique(name), **properties)
    return Made(name)


def make_managed_policy(stack, name, properties, _):
    properties["PolicyDocument"] = enforceable(properties["PolicyDocument"])
    policy = stack.call("iam", "create_policy", PolicyName=stack.unique(name), **properties)["Policy"]
    return Made(policy["Arn"])


def make_role(stack, name, properties, _):
    role = stack.unique(name)
    attached, own = properties.pop("ManagedPolicyArns", []), properties.pop("Policies", [])
    arn = stack.call("iam", "create_role", RoleName=role, **properties)["Role"]["Arn"]
    for policy in attached:
        stack.call("iam", "attach_role_policy", RoleName=role, PolicyArn=policy)
    for policy in own:
        stack.call("iam", "put_role_policy", RoleName=role, **enforceable(policy))
    return Made(role, {"Arn": arn})


def make_function(stack, name, properties, _):
    code = properties.pop("Code")
    reserved = properties.pop("ReservedConcurrentExecutions", None)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        folder = stack.folder / code["S3Key"]
        for path in sorted(folder.rglob("*")):
            archive.write(path, path.relative_to(folder))
    function = stack.unique(name)
    if "KmsKeyArn" in properties:
        properties["KMSKeyArn"] = properties.pop("KmsKeyArn")
    properties["Tags"] = as_map(properties.pop("Tags", []))
    properties["Code"] = {"ZipFile": packed.getvalue()}
    arn = stack.call("lambda", "create_function", FunctionName=function, **properties)["FunctionArn"]
    if reserved is not None:
        stack.call(
            "lambda", "put_function_concurrency", FunctionName=function, ReservedConcurrentExecutions=reserved
        )
    return Made(function, {"Arn": arn})


def make_permission(stack, name, properties, _):
    stack.call("lambda", "add_permission", StatementId=name, **properties)
    return Made(name)


def make_custom(stack, name, properties, kind):
    """Invokes the function behind a custom resource, and waits for its answer as CloudFormation does."""
    answers = queue.Queue()

    class Receiver(http.server.BaseHTTPRequestHandler):
        def do_PUT(self):
            answers.put(json.loads(self.rfile.read(int(self.headers["content-length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_):
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Receiver) as receiver:
        threading.Thread(target=receiver.serve_forever, daemon=True).start()
        event = {
            "RequestType": "Create",
            "ResponseURL": f"http://127.0.0.1:{receiver.server_port}/answer?signature=of-nobody",
            "StackId": f"arn:aws:cloudformation:{REGION}:{ACCOUNT}:stack/{stack.name}/1",
            "RequestId": str(uuid.uuid4()),
            "ResourceType": kind,
            "LogicalResourceId": name,
            "ResourceProperties": properties,
        }
        stack.call(
            "lambda",
            "invoke",
            FunctionName=properties["ServiceToken"],
            InvocationType="Event",
            Payload=json.dumps(event).encode(),
        )
        answer = answers.get(timeout=60)
        receiver.shutdown()
    if answer["Status"] != "SUCCESS":
        raise RuntimeError(answer["Reason"])
    return Made(answer["PhysicalResourceId"], answer.get("Data", {}))


def make_table(stack, name, properties, _):
    table = stack.unique(name)
    expiry = properties.pop("TimeToLiveSpecification", None)
    recovery = properties.pop("PointInTimeRecoverySpecification", None)
    encryption = properties.get("SSESpecification", {})
    if "SSEEnabled" in encryption:
        encryption["Enabled"] = encryption.pop("SSEEnabled")
    properties["TableName"] = table
    if "StreamSpecification" in properties:
        # In CloudFormation, whoever describes a stream wants it.
        properties["StreamSpecification"]["StreamEnabled"] = True
    made = stack.call("dynamodb", "create_table", **properties)["TableDescription"]
    arn = made["TableArn"]
    if expiry:
        stack.call("dynamodb", "update_time_to_live", TableName=table, TimeToLiveSpecification=expiry)
    if recovery:
        stack.call(
            "dynamodb",
            "update_continuous_backups",
            TableName=table,
            PointInTimeRecoverySpecification=recovery,
        )
    return Made(table, {"Arn": arn, "StreamArn": made.get("LatestStreamArn")})


def make_event_source(stack, _, properties, __):
    made = stack.call("lambda", "create_event_source_mapping", **properties)
    return Made(made["UUID"])


def make_invoke_config(stack, name, properties, _):
    stack.call("lambda", "put_function_event_invoke_config", **properties)
    return Made(name)


def make_rule(stack, name, properties, _):
    rule, targets = stack.unique(name), properties.pop("Targets")
    arn = stack.call("events", "put_rule", Name=rule, **properties)["RuleArn"]
    refused = stack.call("events", "put_targets", Rule=rule, Targets=targets)["FailedEntries"]
    if refused:
        raise ValueError(refused)
    return Made(rule, {"Arn": arn})


def make_event_bus(stack, _, properties, __):
    return Made(properties["Name"], {"Arn": stack.call("events", "create_event_bus", **properties)["EventBusArn"]})


def make_queue(stack, name, properties, _):
    queue = stack.unique(name)
    url = stack.call("sqs", "create_queue", QueueName=queue, Attributes=properties)["QueueUrl"]
    arn = f"arn:aws:sqs:{REGION}:{ACCOUNT}:{queue}"
    return Made(url, {"Arn": arn, "QueueName": queue})


def make_queue_policy(stack, name, properties, _):
    for url in properties["Queues"]:
        policy = {"Policy": json.dumps(properties["PolicyDocument"])}
        stack.call("sqs", "set_queue_attributes", QueueUrl=url, Attributes=policy)
    return Made(name)


def make_configuration_set(stack, name, properties, _):
    configuration = stack.unique(name)
    stack.call("sesv2", "create_configuration_set", ConfigurationSetName=configuration, **properties)
    return Made(configuration)


def make_event_destination(stack, name, properties, _):
    destination = properties["EventDestination"]
    # CloudFormation's words are those of SES's first API.
    destination["MatchingEventTypes"] = [word.upper() for word in destination["MatchingEventTypes"]]
    properties["EventDestinationName"] = destination.pop("Name")
    stack.call("sesv2", "create_configuration_set_event_destination", **properties)
    return Made(name)


def make_topic(stack, name, properties, _):
    arn = stack.call("sns", "create_topic", Name=stack.unique(name), Attributes=properties)["TopicArn"]
    return Made(arn)


def make_subscription(stack, _, properties, __):
    return Made(stack.call("sns", "subscribe", **properties)["SubscriptionArn"])


def make_alarm(stack, _, properties, __):
    stack.call("cloudwatch", "put_metric_alarm", **properties)
    return Made(properties["AlarmName"])


def make_dashboard(stack, _, properties, __):
    faults = stack.call("cloudwatch", "put_dashboard", **properties).get("DashboardValidationMessages")
    if faults:
        raise ValueError(faults)
    return Made(properties["DashboardName"])


def make_nested_stack(stack, name, properties, _):
    nested = Stack(f"{stack.name}-{name}", stack.endpoint)
    outputs = nested.deploy(stack.folder / properties["TemplateURL"], properties["Parameters"])
    return Made(nested.name, {f"Outputs.{key}": value for key, value in outputs.items()})


def capitalised(name):
    """Returns the name that boto3 has for a member of API Gateway's OpenAPI extensions."""
    return name[0].upper() + name[1:]


def make_api(stack, _, properties, __):
    """Makes an HTTP API from its OpenAPI document, as API Gateway's import does. MiniStack has no import."""
    body = properties.pop("Body")
    # Only CloudFormation knows it: warnings of the import fail the deployment.
    properties.pop("FailOnWarnings", None)
    cors = body.get("x-amazon-apigateway-cors")
    if cors:
        properties["CorsConfiguration"] = {capitalised(member): value for member, value in cors.items()}
    for server in body.get("servers", []):
        endpoint = server["x-amazon-apigateway-endpoint-configuration"]
        properties |= {capitalised(member): value for member, value in endpoint.items()}
    title = body["info"]["title"]
    api = stack.call("apigatewayv2", "create_api", Name=title, ProtocolType="HTTP", **properties)["ApiId"]
    authorizers = {}
    for name, scheme in body["components"]["securitySchemes"].items():
        authorizer = {capitalised(member): value for member, value in scheme["x-amazon-apigateway-authorizer"].items()}
        authorizer["AuthorizerType"] = authorizer.pop("Type").upper()
        made = stack.call("apigatewayv2", "create_authorizer", ApiId=api, Name=name, **authorizer)
        authorizers[name] = made["AuthorizerId"]
    for path, methods in body["paths"].items():
        for method, operation in methods.items():
            integration = {
                "Integration" + capitalised(member) if member in ("type", "uri", "httpMethod") else capitalised(member): value
                for member, value in operation["x-amazon-apigateway-integration"].items()
            }
            integration["IntegrationMethod"] = integration.pop("IntegrationHttpMethod")
            integration["IntegrationType"] = integration["IntegrationType"].upper()
            made = stack.call("apigatewayv2", "create_integration", ApiId=api, **integration)
            route = {"RouteKey": f"{method.upper()} {path}", "Target": f"integrations/{made['IntegrationId']}"}
            wanted = [name for requirement in operation.get("security", []) for name in requirement]
            if wanted and wanted != ["NONE"]:
                (name,) = wanted
                route |= {"AuthorizationType": "CUSTOM", "AuthorizerId": authorizers[name]}
            stack.call("apigatewayv2", "create_route", ApiId=api, **route)
    return Made(api)


def make_stage(stack, _, properties, __):
    stack.call("apigatewayv2", "create_stage", **properties)
    return Made(properties["StageName"])


MAKERS = {
    "AWS::ApiGatewayV2::Api": make_api,
    "AWS::ApiGatewayV2::Stage": make_stage,
    "AWS::CloudFormation::Stack": make_nested_stack,
    "AWS::CloudWatch::Alarm": make_alarm,
    "AWS::CloudWatch::Dashboard": make_dashboard,
    "AWS::DynamoDB::Table": make_table,
    "AWS::Events::EventBus": make_event_bus,
    "AWS::Events::Rule": make_rule,
    "AWS::IAM::ManagedPolicy": make_managed_policy,
    "AWS::IAM::Role": make_role,
    "AWS::KMS::Key": make_key,
    "AWS::Lambda::EventInvokeConfig": make_invoke_config,
    "AWS::Lambda::EventSourceMapping": make_event_source,
    "AWS::Lambda::Function": make_function,
    "AWS::Lambda::Permission": make_permission,
    "AWS::Logs::LogGroup": make_log_group,
    "AWS::Logs::MetricFilter": make_metric_filter,
    "AWS::SES::ConfigurationSet": make_configuration_set,
    "AWS::SES::ConfigurationSetEventDestination": make_event_destination,
    "AWS::SNS::Subscription": make_subscription,
    "AWS::SNS::Topic": make_topic,
    "AWS::SQS::Queue": make_queue,
    "AWS::SQS::QueuePolicy": make_queue_policy,
    "Custom": make_custom,
}
