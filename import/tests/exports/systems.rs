//! What the samples do not show.

use import::exports::{HashConfig, Options, System};
use serde_json::json;

use super::{File, codes, emails, members, omitted, only, read, read_file};

#[test]
fn django_s_groups_may_be_natural_keys_and_its_users_any_model() {
    let file = json!([
        {"model": "auth.group", "pk": "7", "fields": {"name": "Billing Read"}},
        {"model": "auth.group", "pk": 8, "fields": {"name": "Admin"}},
        {"model": "mail.server", "pk": 1, "fields": {"password": "x", "email": "m@example.com"}},
        {"model": "people.person", "pk": "66de69e2-2ccb-49b9-a953-2e071eb1a751", "fields": {
            "password": "!", "last_login": "2024-05-01T10:00:00Z", "email": "ada@example.com",
            "name": "Ada Example", "groups": [["Editors"], 7, 8], "user_permissions": [3],
        }},
        {"model": "people.person", "pk": 2, "fields": {
            "password": "!", "last_login": null, "email": "b@example.com", "groups": [9],
        }},
        {"model": "account.emailaddress", "pk": 1, "fields": {
            "user": 2, "email": "B@example.com", "verified": true, "primary": true,
        }},
    ]);
    let entries = read(System::Django, file.to_string()).unwrap();
    assert_eq!(emails(&entries), ["ada@example.com", "b@example.com"]);
    let ada = members(&entries[0]);
    assert_eq!(ada["id"], "66de69e2-2ccb-49b9-a953-2e071eb1a751");
    assert_eq!(ada["roles"], json!(["Editors", "Billing Read"]));
    assert_eq!(ada["email_verified"], false);
    assert_eq!(omitted(&entries[0]), ["admin-role", "permissions"]);
    assert_eq!(codes(&entries[1]), ["unknown-group"]);
    assert_eq!(members(&entries[1])["email_verified"], true);
    let lines: Vec<_> = file
        .as_array()
        .unwrap()
        .iter()
        .map(|line| line.to_string())
        .collect();
    let entries = read(System::Django, lines.join("\n")).unwrap();
    assert_eq!(emails(&entries), ["ada@example.com", "b@example.com"]);
    assert_eq!(entries[0].line, 4);
}

#[test]
fn firebase_s_csv_has_no_names_of_columns() {
    let mut ada = vec![String::new(); 28];
    for (column, text) in [
        (0, "uid"),
        (1, "ada@example.com"),
        (2, "true"),
        (3, "aGFzaA=="),
        (4, "c2FsdA=="),
        (5, "\"Ada, \"\"the first\"\"\""),
        (11, "facebook.com"),
        (23, "1716000000000"),
        (24, "1717000000000"),
        (25, "+15555550100"),
        (26, "true"),
        (27, "\"{\"\"admin\"\":true}\""),
    ] {
        ada[column] = text.to_owned();
    }
    let file = File::of(format!("{}\r\nshort,row\r\n", ada.join(",")));
    let config = "algorithm: SCRYPT\nbase64_signer_key: YQ==\nbase64_salt_separator: Bw==\n\
        rounds: 8\nmem_cost: 14";
    let options = Options {
        hash_config: Some(HashConfig::parse(config).unwrap()),
        ..Options::default()
    };
    let entries = read_file(System::Firebase, &file.0, &options).unwrap();
    let ada = members(&entries[0]);
    assert_eq!(ada["name"], "Ada, \"the first\"");
    assert_eq!(ada["status"], "disabled");
    assert_eq!(ada["email_verified"], true);
    assert_eq!(ada["password_hash"]["salt"], "c2FsdA==");
    assert_eq!(ada["date_joined"], "1716000000000");
    assert_eq!(omitted(&entries[0]), ["attributes", "phone", "provider"]);
    assert_eq!(codes(&entries[1]), ["broken"]);
}

#[test]
fn hash_parameters_that_are_not_firebase_s_are_refused() {
    let config = "algorithm: SCRYPT\nbase64_signer_key: YQ==\nbase64_salt_separator: Bw==\n\
        rounds: 8\nmem_cost: 14";
    assert!(HashConfig::parse(config).is_ok());
    for (from, to) in [
        ("SCRYPT", "BCRYPT"),
        ("rounds: 8", "rounds: eight"),
        ("mem_cost", "memory"),
        ("base64_signer_key", "key"),
    ] {
        assert!(
            HashConfig::parse(&config.replace(from, to)).is_err(),
            "{from}"
        );
    }
}

#[test]
fn auth0_s_users_and_hashes_are_joined() {
    let users = File::of(concat!(
        r#"{"user_id": "auth0|1", "email": "ada@example.com", "email_verified": true, "given_name": "Ada", "family_name": "Example", "name": "ada@example.com", "created_at": "2024-05-01T10:00:00.000Z", "blocked": true, "identities": [{"provider": "auth0"}], "app_metadata": {"plan": "gold"}}"#,
        "\n",
        r#"{"user_id": "google-oauth2|2", "email": "b@example.com", "name": "B", "identities": [{"provider": "google-oauth2"}]}"#,
        "\n"
    ));
    let hashes = File::of(concat!(
        "{\"_id\": {\"$oid\": \"0\"}, \"passwordHash\": \"$2b$0\"}\r\nbroken\n",
        "{\"_id\": {\"$oid\": \"1\"}, \"passwordHash\": \"$2b$1\"}\n"
    ));
    let options = Options {
        passwords: Some(hashes.0.clone()),
        password_secret: Some("pepper".to_owned()),
        assume_verified: true,
        ..Options::default()
    };
    let entries = read_file(System::Auth0, &users.0, &options).unwrap();
    let ada = members(&entries[0]);
    assert_eq!(ada["id"], "auth0|1");
    assert_eq!(ada["password_hash"], "$2b$1");
    assert_eq!(ada["password_secret"], "pepper");
    assert_eq!(ada["status"], "disabled");
    assert_eq!(ada["first_name"], "Ada");
    assert!(ada.get("name").is_none());
    assert_eq!(omitted(&entries[0]), ["attributes"]);
    let other = members(&entries[1]);
    assert!(other.get("password_hash").is_none());
    assert_eq!(other["email_verified"], true);
    assert_eq!(omitted(&entries[1]), ["provider"]);
}

#[test]
fn supabase_s_bans_end_and_its_rows_may_be_json() {
    let user = |id: u32, more: serde_json::Value| {
        let mut user = json!({
            "id": id.to_string(), "email": format!("{id}@example.com"), "encrypted_password": "",
            "raw_user_meta_data": {"full_name": "Ada Example", "role": "admin"},
            "raw_app_meta_data": {"provider": "google", "providers": ["google"], "plan": "gold"},
        });
        user.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        user
    };
    let rows = json!([
        user(1, json!({"banned_until": "2024-05-01T10:00:00+00:00"})),
        user(2, json!({"banned_until": "2024-05-03T10:00:00+00:00"})),
        user(3, json!({"banned_until": "infinity"})),
        user(4, json!({"deleted_at": "2024-05-01T10:00:00+00:00"})),
        user(5, json!({"is_anonymous": true, "email": null})),
    ]);
    let options = Options {
        now: 1_714_644_000,
        ..Options::default()
    };
    let entries = read_file(System::Supabase, &File::of(rows.to_string()).0, &options).unwrap();
    let status: Vec<_> = entries
        .iter()
        .map(|entry| entry.record.status.as_deref())
        .collect();
    assert_eq!(
        status,
        [None, Some("disabled"), Some("disabled"), None, None]
    );
    assert_eq!(codes(&entries[3]), ["deleted"]);
    assert_eq!(codes(&entries[4]), ["anonymous"]);
    assert_eq!(members(&entries[0])["name"], "Ada Example");
    assert_eq!(omitted(&entries[0]), ["attributes", "provider"]);
    assert!(
        entries[0].record.roles.is_empty(),
        "people write raw_user_meta_data themselves"
    );
    assert!(entries[0].address().is_some() && entries[3].address().is_none());
}

#[test]
fn keycloak_s_groups_are_no_roles_of_the_same_name() {
    let entry = only(
        System::Keycloak,
        json!({"realm": "x", "users": [{
            "username": "ada@example.com", "email": "ada@example.com",
            "realmRoles": ["default-roles-x", "offline_access", "Editor", "admin"],
            "groups": ["/Staff/Berlin", "/admin"],
            "clientRoles": {"app": ["owner"]},
            "attributes": {"locale": ["de"], "plan": ["gold"]},
            "credentials": [{
                "type": "password", "hashedSaltedValue": "aGFzaA==", "salt": "c2FsdA==",
                "hashIterations": 20000, "algorithm": "pbkdf2",
            }],
        }]})
        .to_string(),
    );
    let record = members(&entry);
    assert_eq!(
        record["roles"],
        json!(["Editor", "group:Staff/Berlin", "group:admin"])
    );
    assert_eq!(record["locale"], "de");
    let data = record["password_hash"]["credentialData"].as_str().unwrap();
    let data: serde_json::Value = serde_json::from_str(data).unwrap();
    assert_eq!(
        data,
        json!({"hashIterations": 20000, "algorithm": "pbkdf2"})
    );
    assert_eq!(
        omitted(&entry),
        ["admin-role", "attributes", "client-roles"]
    );
}

#[test]
fn wordpress_s_tables_may_have_any_prefix_and_any_order() {
    let dump = r#"
INSERT INTO `shop_usermeta` VALUES
(1,2,'first_name','Bea'),(2,2,'shop_capabilities','a:2:{s:6:"editor";b:1;s:6:"author";b:0;}'),
(3,1,'first_name','Ada'),(4,1,'last_name','Example'),(5,1,'nickname','x'),(6,1,'locale','de_DE'),
(7,1,'shop_capabilities','a:1:{s:5:"admin";b:1;}'),(8,2,'other_capabilities','broken'),
(9,3,'shop_capabilities','broken'),(10,2,'last_name','Beer');
INSERT INTO `shop_users` VALUES
(1,'ada','$P$B','ada','ada@example.com','','2020-01-01 00:00:00','',0,'Other Name'),
(2,'bea','$P$B','bea','bea@example.com','','0000-00-00 00:00:00','',0,'bea'),
(3,'carol','$P$B','carol','carol@example.com','','2020-01-01 00:00:00','',0,'Carol');
"#;
    let entries = read(System::WordPress, dump).unwrap();
    let ada = members(&entries[0]);
    assert_eq!(
        (&ada["first_name"], &ada["last_name"]),
        (&json!("Ada"), &json!("Example"))
    );
    assert_eq!(ada["locale"], "de_DE");
    assert_eq!(omitted(&entries[0]), ["admin-role", "username"]);
    let bea = members(&entries[1]);
    assert_eq!(
        (&bea["first_name"], &bea["last_name"]),
        (&json!("Bea"), &json!("Beer"))
    );
    assert_eq!(bea["roles"], json!(["editor"]));
    assert_eq!(codes(&entries[2]), ["broken"]);
}

#[test]
fn wordpress_s_command_line_writes_csv_and_json() {
    let csv = "ID,user_login,user_email,user_pass,user_registered,display_name,roles\n\
        1,ada,ada@example.com,$P$B,\"2020-01-01 00:00:00\",\"Ada Example\",\"editor,shop_manager\"\n";
    let json = json!([{
        "ID": 1, "user_login": "ada", "user_email": "ada@example.com", "user_pass": "$P$B",
        "user_registered": "2020-01-01 00:00:00", "display_name": "Ada Example",
        "roles": "editor,shop_manager",
    }]);
    let expected = json!({
        "external_id": "1", "email": "ada@example.com", "name": "Ada Example",
        "date_joined": "2020-01-01 00:00:00", "roles": ["editor", "shop_manager"],
        "password_hash": "$P$B", "password_format": "wordpress",
    });
    assert_eq!(members(&only(System::WordPress, csv)), expected);
    assert_eq!(
        members(&only(System::WordPress, json.to_string())),
        expected
    );
}

#[test]
fn better_auth_s_tables_may_have_the_names_of_sql() {
    let entries = read(
        System::BetterAuth,
        json!({
            "two_factor": [{"user_id": "1"}],
            "accounts": [
                {"user_id": "1", "provider_id": "credential", "password": "aa:bb"},
                {"user_id": "2", "provider_id": "credential", "password": null},
            ],
            "users": [
                {"id": 1, "email": "ada@example.com", "email_verified": true, "name": "Ada",
                 "created_at": "2024-05-01 10:00:00+00", "role": "user,Editor,admin",
                 "banned": true, "ban_expires": null},
                {"id": "2", "email": "temp@x.example", "is_anonymous": true},
            ],
        })
        .to_string(),
    )
    .unwrap();
    let ada = members(&entries[0]);
    assert_eq!(ada["password_hash"], "aa:bb");
    assert_eq!(ada["roles"], json!(["Editor"]));
    assert_eq!(ada["status"], "disabled");
    assert_eq!(omitted(&entries[0]), ["admin-role", "second-factor"]);
    assert_eq!(codes(&entries[1]), ["anonymous"]);
}

#[test]
fn lucia_s_keys_hold_the_password_and_perhaps_the_address() {
    let entries = read(
        System::Lucia,
        json!({
            "user": [
                {"id": "a", "username": "ada"},
                {"id": "b", "email": "b@example.com", "password_hash": "x:y"},
            ],
            "key": [
                {"id": "github:17", "user_id": "a", "hashed_password": null},
                {"id": "email:ada@example.com", "user_id": "a", "hashed_password": "s2:x:y"},
            ],
        })
        .to_string(),
    )
    .unwrap();
    let ada = json!({
        "id": "a", "email": "ada@example.com", "password_hash": "s2:x:y",
        "password_format": "lucia-2",
    });
    assert_eq!(members(&entries[0]), ada);
    assert_eq!(omitted(&entries[0]), ["provider", "username"]);
    assert_eq!(members(&entries[1])["password_hash"], "x:y");
    assert_eq!(members(&entries[1])["password_format"], "lucia");
}

#[test]
fn kratos_s_identities_may_be_a_list_lines_or_an_answer() {
    let identity = json!({
        "id": "66de69e2-2ccb-49b9-a953-2e071eb1a751", "state": "inactive",
        "traits": {"email": "Ada@example.com", "name": {"first": "Ada", "last": "Example"}},
        "verifiable_addresses": [{"value": "ada@example.com", "verified": true, "via": "email"}],
        "credentials": {"password": {"config": {"hashed_password": "$2a$10$x"}}, "totp": {"a": 1}},
        "metadata_public": {"plan": "gold"}, "created_at": "2024-05-01T10:00:00.5Z",
    });
    let expected = json!({
        "id": "66de69e2-2ccb-49b9-a953-2e071eb1a751", "email": "Ada@example.com",
        "email_verified": true, "first_name": "Ada", "last_name": "Example", "status": "disabled",
        "date_joined": "2024-05-01T10:00:00.5Z", "password_hash": "$2a$10$x",
        "password_format": "kratos",
    });
    let pretty = serde_json::to_string_pretty(&identity).unwrap();
    for file in [
        format!("[{identity}]"),
        format!("[\n{pretty}\n]"),
        format!("{identity}\n"),
        format!("{{\"identities\": [{identity}], \"next_page_token\": \"\"}}"),
    ] {
        let entry = only(System::Kratos, &file);
        assert_eq!(members(&entry), expected, "{file}");
        assert_eq!(omitted(&entry), ["attributes", "second-factor"]);
    }
}

#[test]
fn cognito_s_users_keep_the_identifier_of_their_tokens() {
    let subject = "66de69e2-2ccb-49b9-a953-2e071eb1a751";
    let list = json!({"Users": [{
        "Username": "ada", "Enabled": false, "UserStatus": "CONFIRMED",
        "UserCreateDate": "2024-05-01T10:00:00.123000+00:00",
        "Attributes": [
            {"Name": "sub", "Value": subject},
            {"Name": "email", "Value": "ada@example.com"},
            {"Name": "email_verified", "Value": "true"},
            {"Name": "given_name", "Value": "Ada"},
            {"Name": "custom:plan", "Value": "gold"},
        ],
    }]});
    let entry = only(System::Cognito, list.to_string());
    let expected = json!({
        "id": subject, "external_id": "ada", "email": "ada@example.com", "email_verified": true,
        "first_name": "Ada", "status": "disabled",
        "date_joined": "2024-05-01T10:00:00.123000+00:00",
    });
    assert_eq!(members(&entry), expected);
    assert_eq!(omitted(&entry), ["attributes", "username"]);
    let csv = "cognito:username,name,email,email_verified,cognito:mfa_enabled,phone_number\n\
        66de69e2-2ccb-49b9-a953-2e071eb1a751,Ada Example,ada@example.com,TRUE,true,+1555\n";
    let entry = only(System::Cognito, csv);
    assert_eq!(members(&entry)["id"], subject);
    assert_eq!(members(&entry)["email_verified"], true);
    assert_eq!(omitted(&entry), ["phone", "second-factor"]);
}

#[test]
fn the_names_of_systems_are_read_back() {
    for system in System::ALL {
        assert_eq!(system.name().parse(), Ok(system));
        assert!(!system.about().is_empty());
    }
    assert!("Django".parse::<System>().is_err());
}

#[test]
fn a_secret_and_a_format_that_are_told_are_better_than_the_usual_ones() {
    let options = Options {
        password_format: Some("django-4.2".to_owned()),
        password_secret: Some("shop".to_owned()),
        ..Options::default()
    };
    let users = json!([{"model": "auth.user", "pk": 1, "fields": {
        "email": "ada@example.com", "password": "md5$$x",
    }}]);
    let entries = read_file(System::Django, &File::of(users.to_string()).0, &options).unwrap();
    let ada = members(&entries[0]);
    assert_eq!(
        (&ada["password_format"], &ada["password_secret"]),
        (&json!("django-4.2"), &json!("shop"))
    );
    let line = json!({
        "email": "ada@example.com", "password_hash": "x", "password_format": "devise",
        "password_secret": "own",
    });
    let entries = read_file(System::Latchkey, &File::of(line.to_string()).0, &options).unwrap();
    let ada = members(&entries[0]);
    assert_eq!(
        (&ada["password_format"], &ada["password_secret"]),
        (&json!("devise"), &json!("own"))
    );
}
