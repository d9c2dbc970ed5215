//! Starting and stopping `cargo run`, over real sockets.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;

use local::template::Document;
use local::{Local, Options, dynamodb};
use serde_json::{Value, json};

use crate::support::app::{
    PASSWORD, claims, folder, options, registration, root, template_document, text,
};

/// Makes one HTTP exchange over its own connection. Returns status and body.
fn exchange(url: &str, method: &str, path: &str, headers: &str, body: &str) -> (u16, String) {
    let (status, _, body) = whole_exchange(url, method, path, headers, body);
    (status, body)
}

/// Does the same, and also returns the response headers.
fn whole_exchange(
    url: &str,
    method: &str,
    path: &str,
    headers: &str,
    body: &str,
) -> (u16, String, String) {
    let authority = url.strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(authority).unwrap();
    let length = body.len();
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nhost: {authority}\r\nconnection: close\r\n\
         content-type: application/json\r\ncontent-length: {length}\r\n{headers}\r\n{body}"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (status, head.to_ascii_lowercase(), body.to_owned())
}

async fn ask(
    local: &Local,
    method: &'static str,
    path: &'static str,
    headers: String,
    body: Value,
) -> (u16, Value) {
    let url = local.url.clone();
    let exchanged = tokio::task::spawn_blocking(move || {
        let body = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        exchange(&url, method, path, &headers, &body)
    });
    let (status, body) = exchanged.await.unwrap();
    (status, serde_json::from_str(&body).unwrap())
}

/// Returns the sentence with which a start fails.
async fn failure(options: Options) -> String {
    match Local::start(options).await {
        Ok(_) => panic!("it started"),
        Err(error) => format!("{error:#}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn accounts_and_tokens_survive_a_restart() {
    let data_dir = folder("restart");
    let _ = std::fs::remove_dir_all(&data_dir);
    let saved = |port| Options {
        data_dir: data_dir.clone(),
        ephemeral: false,
        port,
        ..options()
    };
    let local = Local::start(saved(0)).await.unwrap();
    let port = local.url.rsplit(':').next().unwrap().parse().unwrap();
    let body = registration("ada@example.com");
    let (status, account) = ask(&local, "POST", "/register", String::new(), body).await;
    assert_eq!(status, 201, "{account}");
    let credentials = json!({"email": "ada@example.com", "password": PASSWORD});
    let (status, tokens) = ask(&local, "POST", "/login", String::new(), credentials.clone()).await;
    assert_eq!(status, 200, "{tokens}");
    local.stop().await;

    // The same port makes the same issuer.
    let local = Local::start(saved(port)).await.unwrap();
    let bearer = format!(
        "authorization: Bearer {}\r\n",
        text(&tokens, "access_token")
    );
    let (status, profile) = ask(&local, "GET", "/profile", bearer, Value::Null).await;
    assert_eq!(status, 200, "{profile}");
    assert_eq!(profile["id"], account["id"]);
    let (status, again) = ask(&local, "POST", "/login", String::new(), credentials).await;
    assert_eq!(status, 200, "{again}");
    local.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_is_added_to_the_template_is_added_to_the_database() {
    let data_dir = folder("tables");
    let _ = std::fs::remove_dir_all(&data_dir);
    let kept = |template| Options {
        data_dir: data_dir.clone(),
        ephemeral: false,
        template,
        ..options()
    };
    let local = Local::start(kept(template_document())).await.unwrap();
    assert!(!local.tables.contains(&"MemosTable".to_owned()));
    let body = registration("ada@example.com");
    let (status, account) = ask(&local, "POST", "/register", String::new(), body).await;
    assert_eq!(status, 201, "{account}");
    local.stop().await;

    let added = r#"
  MemosTable:
    Type: AWS::DynamoDB::Table
    Properties:
      BillingMode: PAY_PER_REQUEST
      AttributeDefinitions:
        - {AttributeName: owner, AttributeType: S}
        - {AttributeName: id, AttributeType: S}
        - {AttributeName: size, AttributeType: N}
      KeySchema:
        - {AttributeName: owner, KeyType: HASH}
        - {AttributeName: id, KeyType: RANGE}
      GlobalSecondaryIndexes:
        - IndexName: by-size
          KeySchema:
            - {AttributeName: owner, KeyType: HASH}
            - {AttributeName: size, KeyType: RANGE}
          Projection: {ProjectionType: ALL}
      StreamSpecification: {StreamViewType: NEW_IMAGE}
"#;
    let template = std::fs::read_to_string(root().join("template.yaml")).unwrap();
    let template = template.replacen("\nOutputs:\n", &format!("{added}\nOutputs:\n"), 1);
    let path = folder("with-table").join("template.yaml");
    std::fs::write(&path, template).unwrap();
    let template = Document::read(&path).unwrap();
    let local = Local::start(kept(template)).await.unwrap();
    assert!(local.tables.contains(&"MemosTable".to_owned()));
    let credentials = json!({"email": "ada@example.com", "password": PASSWORD});
    let (status, tokens) = ask(&local, "POST", "/login", String::new(), credentials).await;
    assert_eq!(status, 200, "{tokens}");
    let client = dynamodb::client(&local.dynamodb_url).unwrap();
    let described = client.describe_table().table_name("MemosTable");
    let table = described.send().await.unwrap().table.unwrap();
    let index = &table.global_secondary_indexes.unwrap()[0];
    assert_eq!(index.index_name.as_deref(), Some("by-size"));
    assert!(table.stream_specification.unwrap().stream_enabled);
    // Only a table whose template says so removes expired items.
    for (table, attribute) in [("MemosTable", None), (dynamodb::TABLE, Some("expires_at"))] {
        let described = client.describe_time_to_live().table_name(table);
        let expiry = described.send().await.unwrap();
        let expiry = expiry.time_to_live_description.unwrap();
        assert_eq!(expiry.attribute_name.as_deref(), attribute, "{table}");
    }
    local.stop().await;
}

#[cfg(unix)]
#[tokio::test]
async fn only_its_owner_reads_the_data_folder() {
    use std::os::unix::fs::PermissionsExt as _;
    let data_dir = folder("modes").join("new");
    let _ = std::fs::remove_dir_all(&data_dir);
    let local = Local::start(Options {
        data_dir: data_dir.clone(),
        ephemeral: false,
        ..options()
    })
    .await
    .unwrap();
    let mode =
        |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&data_dir), 0o700);
    for file in ["signing-key.pem", "dynamodb.sqlite", "dynamodb.sqlite-wal"] {
        assert_eq!(mode(&data_dir.join(file)), 0o600, "{file}");
    }
    local.stop().await;
}

#[tokio::test]
async fn a_port_in_use_is_one_sentence() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let sentence = |flag| {
        format!(
            "port {port} is in use: choose another with {flag}, or stop the process that uses it"
        )
    };
    assert_eq!(
        failure(Options { port, ..options() }).await,
        sentence("--port")
    );
    let of_dynamodb = Options {
        dynamodb_port: port,
        ..options()
    };
    assert_eq!(failure(of_dynamodb).await, sentence("--dynamodb-port"));
    let of_mails = Options {
        mail_port: port,
        ..options()
    };
    assert_eq!(failure(of_mails).await, sentence("--mail-port"));
}

#[tokio::test]
async fn an_unusable_data_folder_is_one_sentence() {
    let file = folder("unusable").join("file");
    std::fs::write(&file, "").unwrap();
    let inside = file.join("data");
    let sentence = failure(Options {
        data_dir: inside,
        ..options()
    })
    .await;
    assert!(
        sentence.starts_with("cannot make the data folder"),
        "{sentence}"
    );
    assert!(
        sentence.contains("--data-dir") && !sentence.contains('\n'),
        "{sentence}"
    );

    let folder = folder("no-key");
    std::fs::write(folder.join("signing-key.pem"), "not a key").unwrap();
    let sentence = failure(Options {
        data_dir: folder,
        ..options()
    })
    .await;
    assert!(
        sentence.contains("is not an RSA, P-256 or Ed25519 private key"),
        "{sentence}"
    );
}

/// Returns the sentence with which a template is refused.
fn failure_of_template(path: &Path) -> String {
    let template = Document::read(path).and_then(|document| document.with(&options().parameters));
    match template {
        Ok(_) => panic!("it is a template"),
        Err(error) => format!("{error:#}"),
    }
}

#[test]
fn a_missing_or_broken_template_is_one_sentence() {
    let folder = folder("templates");
    let sentence = failure_of_template(&folder.join("missing.yaml"));
    assert!(
        sentence.starts_with("cannot read ") && !sentence.contains('\n'),
        "{sentence}"
    );
    for (name, text) in [
        ("yaml", "Resources: [unclosed"),
        ("empty", ""),
        ("other", "Resources: {Bucket: {Type: AWS::S3::Bucket}}"),
    ] {
        let template = folder.join(format!("{name}.yaml"));
        std::fs::write(&template, text).unwrap();
        let sentence = failure_of_template(&template);
        assert!(
            sentence.contains(".yaml is broken: ") && !sentence.contains('\n'),
            "{sentence}"
        );
    }
}

#[tokio::test]
async fn a_wrong_parameter_or_url_is_one_sentence() {
    for (name, sentence) in [
        (
            "PasswordMinLenght",
            "there is no parameter PasswordMinLenght; did you mean PasswordMinLength?",
        ),
        (
            "CORS_ORIGIN",
            "there is no parameter CORS_ORIGIN; did you mean CorsOrigins?",
        ),
        (
            "Nonsense",
            "there is no parameter Nonsense; template.yaml lists them",
        ),
    ] {
        let mut wrong = options();
        wrong.parameters.insert(name.to_owned(), "1".to_owned());
        assert_eq!(failure(wrong).await, sentence);
    }

    let mut wrong = options();
    wrong
        .parameters
        .insert("PasswordMinLength".to_owned(), "3".to_owned());
    let sentence = failure(wrong).await;
    assert_eq!(
        sentence,
        "PasswordMinLength is \"3\"; set it to a number from 8 to 64"
    );

    let sentence = failure(Options {
        functions: Some("localhost".to_owned()),
        ..options()
    })
    .await;
    assert!(
        sentence.starts_with("--functions is \"localhost\""),
        "{sentence}"
    );
}

#[tokio::test]
async fn a_value_that_a_deployment_would_refuse_is_one_sentence() {
    for (given, sentence) in [
        (
            &[("Issuer", "http://localhost:3000")][..],
            "Issuer is \"http://localhost:3000\"; set it to a URL that begins with https:// and does \
             not end with a slash, or nothing",
        ),
        (
            &[("CorsOrigins", "localhost:5173")],
            "CorsOrigins is \"localhost:5173\"; set it to origins such as https://app.example.com, \
             in lower case, separated by commas, without blanks, paths and slashes at the end; or \
             * for all origins; or nothing",
        ),
        (
            &[("Registration", "no")],
            "Registration is \"no\"; set it to open or closed",
        ),
        (
            &[("LogLevel", "WARN")],
            "Metrics are in log lines of the level INFO. Set LogLevel to INFO or Monitoring to none.",
        ),
        (
            &[("Argon2MemoryKib", "7168")],
            "Argon2MemoryKib with Argon2Iterations is weaker than OWASP asks. Use at least 47104 \
             with 1, 19456 with 2, 12288 with 3, 9216 with 4, or 7168 with 5.",
        ),
    ] {
        let given = given.iter().copied();
        let given = given.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let wrong = Options {
            parameters: given.collect(),
            ..options()
        };
        assert_eq!(failure(wrong).await, sentence);
    }
}

/// Registers, logs in, and returns the issuer of the access token and the one of discovery.
async fn issuers(options: Options) -> (String, String) {
    let local = Local::start(options).await.unwrap();
    let body = registration("ada@example.com");
    let (status, _) = ask(&local, "POST", "/register", String::new(), body).await;
    assert_eq!(status, 201);
    let credentials = json!({"email": "ada@example.com", "password": PASSWORD});
    let (_, tokens) = ask(&local, "POST", "/login", String::new(), credentials).await;
    let token = text(&tokens, "access_token");
    let bearer = format!("authorization: Bearer {token}\r\n");
    let (status, _) = ask(&local, "GET", "/profile", bearer, Value::Null).await;
    assert_eq!(status, 200, "the authorizer accepts the issuer");
    let path = "/.well-known/openid-configuration";
    let (_, published) = ask(&local, "GET", path, String::new(), Value::Null).await;
    local.stop().await;
    (text(&claims(&token), "iss"), text(&published, "issuer"))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_issuer_is_the_flag_s_or_the_parameter_s_or_the_gateway_s() {
    let parameter = || {
        let issuer = ("Issuer".to_owned(), "https://auth.example.com".to_owned());
        [issuer].into()
    };
    let of_parameter = Options {
        parameters: parameter(),
        ..options()
    };
    let (token, published) = issuers(of_parameter).await;
    assert_eq!(token, "https://auth.example.com");
    assert_eq!(published, token);

    let of_flag = Options {
        parameters: parameter(),
        issuer: Some("http://latchkey:3000".to_owned()),
        ..options()
    };
    let (token, published) = issuers(of_flag).await;
    assert_eq!(token, "http://latchkey:3000");
    assert_eq!(published, token);

    let (token, published) = issuers(options()).await;
    assert!(token.starts_with("http://127.0.0.1:"), "{token}");
    assert_eq!(published, token);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_name_of_a_table_in_aws_changes_nothing_here() {
    let restored = ("TableName".to_owned(), "latchkey-restored".to_owned());
    let local = Local::start(Options {
        parameters: [restored].into(),
        ..options()
    })
    .await
    .unwrap();
    let is_ours = |name: &String| name == dynamodb::TABLE;
    assert!(local.tables.iter().any(is_ours), "{:?}", local.tables);
    let body = registration("ada@example.com");
    let (status, _) = ask(&local, "POST", "/register", String::new(), body).await;
    assert_eq!(status, 201);
    local.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_in_another_language_leaves_the_others_running() {
    let template = std::fs::read_to_string(root().join("template.yaml")).unwrap();
    // A name that no document proposes: a function of that name may be in the template.
    let snake = "Resources:\n  Snake:\n    Type: AWS::Serverless::Function\n    Properties:\n      \
                 Runtime: python3.13\n      Events:\n        List: {Type: HttpApi, Properties: \
                 {Method: GET, Path: /snake, Auth: {Authorizer: NONE}}}\n";
    let path = folder("languages").join("template.yaml");
    std::fs::write(&path, template.replacen("Resources:\n", snake, 1)).unwrap();
    let local = Local::start(Options {
        template: Document::read(&path).unwrap(),
        ..options()
    })
    .await
    .unwrap();
    let (status, _) = ask(&local, "GET", "/snake", String::new(), Value::Null).await;
    assert_eq!(status, 500);
    let body = registration("ada@example.com");
    let (status, _) = ask(&local, "POST", "/register", String::new(), body).await;
    assert_eq!(status, 201);
    local.stop().await;
}

/// Starts with another template, which is written into the folder `name`.
async fn with_template(name: &str, template: &str) -> Local {
    let path = folder(name).join("template.yaml");
    std::fs::write(&path, template).unwrap();
    let options = Options {
        template: Document::read(&path).unwrap(),
        ..options()
    };
    Local::start(options).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_route_that_the_template_lacks_is_missing_here() {
    let template = std::fs::read_to_string(root().join("template.yaml")).unwrap();
    let without = template.replace("Path: /register", "Path: /sign-up");
    assert_ne!(template, without);
    let local = with_template("routes", &without).await;
    let body = registration("ada@example.com");
    let (status, _) = ask(&local, "POST", "/register", String::new(), body.clone()).await;
    assert_eq!(status, 404);
    let (status, _) = ask(&local, "POST", "/sign-up", String::new(), body).await;
    assert_eq!(status, 201);
    local.stop().await;
}

/// Returns status, headers and body of a page.
async fn page(local: &Local, method: &'static str, path: &str) -> (u16, String, String) {
    let (url, path) = (local.url.clone(), path.to_owned());
    let asked = move || whole_exchange(&url, method, &path, "", "");
    tokio::task::spawn_blocking(asked).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_description_of_the_api_is_served_with_a_page_that_asks_no_other_host() {
    let local = Local::start(options()).await.unwrap();
    let (status, head, description) = page(&local, "GET", "/openapi.yaml").await;
    assert_eq!(status, 200);
    assert!(head.contains("content-type: application/yaml"), "{head}");
    let written = std::fs::read_to_string(root().join("docs/openapi.yaml")).unwrap();
    assert_eq!(description, written);

    let (status, head, html) = page(&local, "GET", "/docs").await;
    assert_eq!(status, 200);
    let policy = head.split("content-security-policy: ").nth(1).unwrap();
    let policy = policy.lines().next().unwrap();
    assert!(policy.starts_with("default-src 'none'; script-src 'self'"));
    assert!(
        !policy.contains("http") && !policy.contains('*'),
        "{policy}"
    );
    // Everything that the page refers to is served here.
    let references = html.split(['"']).filter(|text| text.starts_with('/'));
    let references: Vec<_> = references.collect();
    assert_eq!(references.len(), 3, "{html}");
    for reference in references {
        let (status, head, text) = page(&local, "GET", reference).await;
        assert_eq!(status, 200, "{reference}");
        let kind = match reference.ends_with(".css") {
            true => "content-type: text/css",
            false => "content-type: text/javascript",
        };
        assert!(
            head.contains(kind) && !text.is_empty(),
            "{reference}: {head}"
        );
    }
    assert!(!html.contains("://"), "{html}");

    // The gateway answers other methods and paths.
    for (method, path) in [("POST", "/docs"), ("GET", "/docs/"), ("GET", "/docs/other")] {
        let (status, _, body) = page(&local, method, path).await;
        assert_eq!((status, body.as_str()), (404, r#"{"message":"Not Found"}"#));
    }
    local.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_route_of_the_template_wins_over_the_page() {
    let template = std::fs::read_to_string(root().join("template.yaml")).unwrap();
    let moved = template.replace("Path: /.well-known/jwks.json", "Path: /docs/jwks.json");
    let moved = moved.replace("Path: /register", "Path: /docs");
    let local = with_template("pages", &moved).await;
    let body = registration("ada@example.com");
    let (status, _) = ask(&local, "POST", "/docs", String::new(), body).await;
    assert_eq!(status, 201);
    let (status, keys) = ask(&local, "GET", "/docs/jwks.json", String::new(), Value::Null).await;
    assert_eq!(status, 200, "{keys}");
    // The path belongs to the template's route, for every method.
    let (status, _, body) = page(&local, "GET", "/docs").await;
    assert_eq!((status, body.as_str()), (404, r#"{"message":"Not Found"}"#));
    let (status, ..) = page(&local, "GET", "/openapi.yaml").await;
    assert_eq!(status, 200);
    local.stop().await;
}

#[tokio::test]
async fn a_function_has_no_variable_that_the_template_does_not_give_it() {
    let template = std::fs::read_to_string(root().join("template.yaml")).unwrap();
    let profile = template.find("CodeUri: functions/profile").unwrap();
    let (before, after) = template.split_at(profile);
    let without = after.replacen("          JWKS: !GetAtt KeySet.Jwks\n", "", 1);
    let path = folder("variables").join("template.yaml");
    std::fs::write(&path, before.to_owned() + &without).unwrap();
    let sentence = failure(Options {
        template: Document::read(&path).unwrap(),
        ..options()
    })
    .await;
    assert!(sentence.starts_with("JWKS is not set"), "{sentence}");
}
