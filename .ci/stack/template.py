"""A SAM template as CloudFormation reads it: translated, with conditions, parameters and references resolved."""

import re

from samtranslator.translator.managed_policy_translator import ManagedPolicyLoader
from samtranslator.translator.transform import transform
from samtranslator.yaml_helper import yaml_parse

ACCOUNT = "000000000000"
REGION = "eu-west-1"
NOTHING = object()


class NoPolicies(ManagedPolicyLoader):
    """Names of AWS's policies stay ARNs, so no list of them is needed."""

    def __init__(self):
        pass

    def load(self):
        return {}


class Template:
    """A template with its parameters."""

    def __init__(self, path, given):
        text = yaml_parse(path.read_text())
        self.folder = path.parent
        declared = text.get("Parameters", {})
        if unknown := given.keys() - declared.keys():
            raise ValueError(f"{path.name} has no parameter {', '.join(sorted(unknown))}")
        self.parameters = {}
        for name, parameter in declared.items():
            if name not in given and "Default" not in parameter:
                raise ValueError(f"{path.name} needs the parameter {name}")
            self.parameters[name] = str(given.get(name, parameter.get("Default")))
        if "Transform" in text:
            for resource in text["Resources"].values():
                if resource["Type"] == "AWS::Serverless::Function":
                    # The translator takes only what lies in S3.
                    resource["Properties"]["CodeUri"] = f"s3://code/{resource['Properties']['CodeUri']}"
            text = transform(text, dict(self.parameters), NoPolicies())
        self.text = text
        self.conditions = {name: self.holds(condition) for name, condition in text.get("Conditions", {}).items()}
        self.resources = {
            name: resource
            for name, resource in text["Resources"].items()
            if "Condition" not in resource or self.conditions[resource["Condition"]]
        }

    def holds(self, condition):
        """Returns whether a condition holds."""
        ((function, arguments),) = condition.items()
        match function:
            case "Condition":
                return self.holds(self.text["Conditions"][arguments])
            case "Fn::Equals":
                left, right = (self.resolve(argument, {}) for argument in arguments)
                return left == right
            case "Fn::Not":
                return not self.holds(arguments[0])
            case "Fn::And":
                return all(self.holds(argument) for argument in arguments)
            case "Fn::Or":
                return any(self.holds(argument) for argument in arguments)
        raise NotImplementedError(f"the condition {function}")

    def outputs(self):
        """Returns the values of the outputs that there are, not yet resolved."""
        outputs = self.text.get("Outputs", {}).items()
        return {
            name: output["Value"]
            for name, output in outputs
            if "Condition" not in output or self.conditions[output["Condition"]]
        }

    def order(self):
        """Yields the names of the resources, each after those that it refers to."""
        left = {name: self.references(resource) for name, resource in self.resources.items()}
        while left:
            ready = [name for name, needed in left.items() if not needed & left.keys()]
            if not ready:
                raise ValueError(f"these resources refer to one another in a circle: {', '.join(left)}")
            for name in ready:
                del left[name]
                yield name

    def references(self, value):
        """Returns the names that a value refers to, with its conditions evaluated."""
        if isinstance(value, list):
            return set().union(*(self.references(item) for item in value))
        if not isinstance(value, dict):
            return set()
        found = set()
        for function, argument in value.items():
            match function:
                case "Ref":
                    found.add(argument)
                case "Fn::GetAtt":
                    found.add(attribute(argument)[0])
                case "Fn::Sub":
                    text = argument if isinstance(argument, str) else argument[0]
                    found.update(name.split(".")[0] for name in re.findall(r"\$\{(\w[^}]*)\}", text))
                    found |= self.references(argument)
                case "Fn::If":
                    condition, yes, no = argument
                    found |= self.references(yes if self.conditions[condition] else no)
                case "DependsOn":
                    found.update([argument] if isinstance(argument, str) else argument)
                case _:
                    found |= self.references(argument)
        return found

    def resolve(self, value, made):
        """Returns a value with its functions evaluated, or NOTHING. `made` has what resources returned."""
        if isinstance(value, list):
            items = (self.resolve(item, made) for item in value)
            return [item for item in items if item is not NOTHING]
        if not isinstance(value, dict):
            return value
        if len(value) == 1:
            ((function, argument),) = value.items()
            if function == "Ref" or function.startswith("Fn::"):
                return self.evaluate(function, argument, made)
        members = ((name, self.resolve(member, made)) for name, member in value.items())
        return {name: member for name, member in members if member is not NOTHING}

    def evaluate(self, function, argument, made):
        """Evaluates a function."""
        match function:
            case "Ref":
                return self.reference(argument, made)
            case "Fn::GetAtt":
                name, wanted = attribute(argument)
                return made[name].attributes[wanted]
            case "Fn::Sub":
                text, own = (argument, {}) if isinstance(argument, str) else argument
                own = self.resolve(own, made)

                def replacement(found):
                    name = found[1]
                    if name in own:
                        return str(own[name])
                    function = "Fn::GetAtt" if "." in name else "Ref"
                    return str(self.evaluate(function, name, made))

                text = re.sub(r"\$\{(\w[^}!]*)\}", replacement, text)
                return text.replace("${!", "${")
            case "Fn::If":
                condition, yes, no = argument
                return self.resolve(yes if self.conditions[condition] else no, made)
            case "Fn::Join":
                separator, items = argument
                return separator.join(str(item) for item in self.resolve(items, made))
            case "Fn::Split":
                separator, text = argument
                return self.resolve(text, made).split(separator)
            case "Fn::Select":
                place, items = argument
                return self.resolve(items, made)[int(place)]
            case "Fn::FindInMap":
                name, first, second = (self.resolve(part, made) for part in argument)
                return self.text["Mappings"][name][first][second]
        raise NotImplementedError(f"the function {function}")

    def reference(self, name, made):
        """Returns what a reference is."""
        pseudo = {
            "AWS::AccountId": ACCOUNT,
            "AWS::NoValue": NOTHING,
            "AWS::Partition": "aws",
            "AWS::Region": REGION,
            "AWS::StackName": made.get("AWS::StackName"),
            "AWS::URLSuffix": "amazonaws.com",
        }
        if name in pseudo:
            return pseudo[name]
        return self.parameters[name] if name in self.parameters else made[name].id


def attribute(argument):
    """Returns the resource and the attribute that an Fn::GetAtt names."""
    name, wanted = argument.split(".", 1) if isinstance(argument, str) else argument
    return name, wanted
