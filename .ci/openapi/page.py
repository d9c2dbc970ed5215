"""The page at /docs, in a browser: it shows every operation, its "Try it out" works, with a token too and after a
reload, and nothing of it comes from another host."""

import json
import sys
import urllib.request

import yaml
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

url, chromium, driver = sys.argv[1:]
account = {
    "email": "ada@example.com",
    "password": "correct horse battery staple",
    "first_name": "Ada",
    "last_name": "Lovelace",
}


def register():
    request = urllib.request.Request(f"{url}/register", json.dumps(account).encode(), {"content-type": "application/json"})
    with urllib.request.urlopen(request) as answer:
        assert answer.status == 201


def operations():
    with urllib.request.urlopen(f"{url}/openapi.yaml") as answer:
        document = yaml.safe_load(answer)
    methods = {"get", "put", "post", "delete", "patch"}
    paths = document["paths"].items()
    return {(method.upper(), path): item[method]["operationId"] for path, item in paths for method in methods & item.keys()}


class Page:
    def __init__(self):
        options = webdriver.ChromeOptions()
        options.binary_location = chromium
        for flag in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--window-size=1400,3000"):
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        self.browser = webdriver.Chrome(options=options, service=Service(driver))
        self.browser.set_script_timeout(10)

    def all(self, selector):
        return self.browser.find_elements(By.CSS_SELECTOR, selector)

    def one(self, selector):
        """The first such element, once it is there."""
        return WebDriverWait(self.browser, 30).until(lambda _: next(iter(self.all(selector)), None), selector)

    def click(self, selector):
        self.browser.execute_script("arguments[0].click()", self.one(selector))

    def execute(self, operation):
        """Tries an operation with what the page proposes: the status and the body that it then shows."""
        block = f"[id$=-{operation}]"
        self.click(f"{block} .opblock-summary-control")
        self.click(f"{block} .execute")
        status = self.one(f"{block} .live-responses-table .response .response-col_status").text
        body = self.one(f"{block} .live-responses-table .response .response-col_description pre").text
        return int(status.split()[0]), json.loads(body)

    def reload(self):
        """Loads the page anew, with every operation closed: its address names the one that is open."""
        self.browser.execute_script("history.replaceState(null, '', '/docs')")
        self.browser.refresh()

    def requests(self):
        messages = (json.loads(entry["message"])["message"] for entry in self.browser.get_log("performance"))
        return [m["params"]["request"]["url"] for m in messages if m["method"] == "Network.requestWillBeSent"]


def main():
    register()
    page = Page()
    try:
        page.browser.get(f"{url}/docs")
        page.one(".opblock")
        expected = operations()
        paths = [(block, block.find_element(By.CSS_SELECTOR, ".opblock-summary-path").get_attribute("data-path")) for block in page.all(".opblock")]
        shown = {(block.find_element(By.CSS_SELECTOR, ".opblock-summary-method").text, path) for block, path in paths}
        assert shown == expected.keys(), shown ^ expected.keys()
        print(f"the page shows all {len(shown)} operations")

        status, tokens = page.execute("login")
        assert status == 200 and tokens["token_type"] == "Bearer", (status, tokens)
        print("it logs in")

        page.click(".btn.authorize")
        page.one(".auth-container input").send_keys(tokens["access_token"])
        page.click(".auth-container .btn.authorize")
        page.click(".auth-btn-wrapper .btn-done")
        status, profile = page.execute("getProfile")
        assert status == 200 and profile["email"] == account["email"], (status, profile)
        print("it shows the profile, with the token")

        page.reload()
        status, profile = page.execute("getProfile")
        assert status == 200 and profile["email"] == account["email"], (status, profile)
        stored = page.browser.execute_script("return JSON.stringify(localStorage)")
        assert tokens["access_token"] in stored, stored
        page.click(".btn.authorize")
        page.click(".auth-btn-wrapper .btn.auth:not(.authorize):not(.btn-done)")
        page.click(".auth-btn-wrapper .btn-done")
        stored = page.browser.execute_script("return JSON.stringify(localStorage)")
        assert tokens["access_token"] not in stored, stored
        print("it keeps the token over a reload, until the logout")

        for operation in expected.values():
            if operation not in ("login", "getProfile"):
                page.click(f"[id$=-{operation}] .opblock-summary-control")
                page.one(f"[id$=-{operation}] .responses-table")
        print("it shows the details of each operation")

        said = page.browser.get_log("browser")
        assert not said, said
        asked = [address for address in page.requests() if not address.startswith("data:")]
        assert len(asked) >= 6, asked
        elsewhere = [address for address in asked if not address.startswith(f"{url}/")]
        assert not elsewhere, elsewhere
        print(f"it says nothing at the console, and asked nobody but {url}")

        # Another port is another host to the policy; a refusal of the network would name no directive.
        refused = page.browser.execute_async_script(
            """const done = arguments[arguments.length - 1];
            document.addEventListener('securitypolicyviolation', (event) => done(event.effectiveDirective));
            fetch('http://127.0.0.1:9/').then(() => done('answered'), () => {});"""
        )
        assert refused == "connect-src", refused
        assert page.browser.get_log("browser"), "the console tells of what the policy refuses"
        print("its policy refuses other hosts")
    finally:
        page.browser.quit()


main()
