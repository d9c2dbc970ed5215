"""Deploys a template that `sam build` wrote to MiniStack.

deploy.py ENDPOINT TEMPLATE STACK [PARAMETER=VALUE]...: prints the address of its API, and then a line for each route:
METHOD PATH, and whether it is open or closed.
"""

import pathlib
import sys
from urllib.parse import urlsplit

from resources import Stack

endpoint, path, name, *parameters = sys.argv[1:]
stack = Stack(name, endpoint)
outputs = stack.deploy(pathlib.Path(path), dict(parameter.split("=", 1) for parameter in parameters))
api = urlsplit(outputs["ApiUrl"]).hostname.split(".")[0]
# Under the host name that AWS gives an API, MiniStack answers some paths itself: see findings/ministack-login.sh.
print(f"{endpoint}/_aws/execute-api/{api}")
for route in stack.call("apigatewayv2", "get_routes", ApiId=api)["Items"]:
    print(route["RouteKey"], "closed" if "AuthorizerId" in route else "open")
