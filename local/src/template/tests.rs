use super::*;

const TEXT: &str = r#"
Parameters:
  Seconds: {Type: Number, Default: 60}
  Origins: {Type: String, Default: ""}
  Name: {Type: String, Default: ""}
Conditions:
  HasOrigins: !Not [!Equals [!Ref Origins, ""]]
  HasName: !Not [!Equals [!Ref Name, ""]]
Resources:
  Api:
    Type: AWS::Serverless::HttpApi
    Properties:
      CorsConfiguration: !If [HasOrigins, {AllowOrigins: !Split [",", !Ref Origins]}, !Ref AWS::NoValue]
      Auth:
        DefaultAuthorizer: Token
        Authorizers:
          Token:
            FunctionArn: !GetAtt Guard.Arn
            Identity: {Headers: [Authorization], ReauthorizeEvery: !Ref Seconds}
  Guard:
    Type: AWS::Serverless::Function
    Metadata: {BuildProperties: {Binary: guard}}
  Things:
    Type: AWS::Serverless::Function
    Metadata: {BuildProperties: {Binary: things}}
    Properties:
      Environment:
        Variables: {LIMIT: 7, NAME: !If [HasName, !Ref Name, !Ref "AWS::NoValue"]}
      Events:
        Open: {Type: HttpApi, Properties: {Method: POST, Path: /things, Auth: {Authorizer: NONE}}}
        Closed: {Type: HttpApi, Properties: {Method: get, Path: "/things/{id}"}}
  Table:
    Type: AWS::DynamoDB::Table
    Properties: {BillingMode: PAY_PER_REQUEST}
"#;

fn parse(parameters: &[(&str, &str)]) -> anyhow::Result<Template> {
    let owned = parameters
        .iter()
        .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
    Template::parse(TEXT, &owned.collect())
}

#[test]
fn routes_authorizer_and_environment_are_read() {
    let template = parse(&[]).unwrap();
    let routes: Vec<_> = template
        .routes()
        .iter()
        .map(|r| {
            (
                r.method.as_str(),
                r.path.as_str(),
                r.function.as_str(),
                r.authorized,
            )
        })
        .collect();
    assert_eq!(
        routes,
        [
            ("GET", "/things/{id}", "things", true),
            ("POST", "/things", "things", false)
        ]
    );
    let authorizer = template.authorizer().unwrap();
    assert_eq!(authorizer.function, "guard");
    assert_eq!(authorizer.identity_headers, ["authorization"]);
    assert_eq!(authorizer.cache_seconds, 60);
    assert_eq!(
        template.environments()["things"],
        BTreeMap::from([("LIMIT".to_owned(), "7".to_owned())])
    );
    assert!(template.cors().is_none());
}

#[test]
fn a_function_has_the_global_variables_and_its_own_value_wins() {
    let globals = r#"
Globals:
  Function:
    Timeout: 10
    Environment:
      Variables:
        SECONDS: !Ref Seconds
        LIMIT: 3
        NAME: !If [HasName, !Ref Name, !Ref "AWS::NoValue"]
        SECRET: for some
        NAMESPACE: !Sub "Things/${AWS::StackName}"
Resources:
"#;
    let text = TEXT.replace("\nResources:\n", globals);
    let text = text.replace("{LIMIT: 7,", "{LIMIT: 7, SECRET: !Ref \"AWS::NoValue\",");
    let given = BTreeMap::from([("Seconds".to_owned(), "5".to_owned())]);
    let template = Template::parse(&text, &given).unwrap();
    let of = |function: &str| -> Vec<_> {
        let variables = template.environments()[function].iter();
        variables.map(|(k, v)| format!("{k}={v}")).collect()
    };
    assert_eq!(of("guard"), ["LIMIT=3", "SECONDS=5", "SECRET=for some"]);
    assert_eq!(of("things"), ["LIMIT=7", "SECONDS=5"]);
    // Other resources do not get the global variables.
    assert!(template.resources()["Table"]["Properties"]["Environment"].is_null());

    let broken = text.replace("SECRET: for some", "SECRET: !Ref Extra");
    let table = "Table:\n    Type: AWS::DynamoDB::Table\n";
    let extra = "Extra:\n    Type: AWS::SNS::Topic\n    Condition: HasName\n  ";
    let broken = broken.replace(table, &format!("{extra}{table}"));
    let error = Template::parse(&broken, &given).err().unwrap();
    assert_eq!(
        error.to_string(),
        "Guard refers to Extra, which these parameters leave out"
    );
}

#[test]
fn a_reference_to_a_table_is_its_name_here_whatever_the_variable_is_called() {
    let others = r#"
  NotesTable:
    Type: AWS::DynamoDB::Table
    Properties: {BillingMode: PROVISIONED}
  Tags:
    Type: AWS::DynamoDB::Table
    Properties: {TableName: all-tags}
  Files:
    Type: AWS::DynamoDB::Table
    Properties: {TableName: !Sub "${AWS::StackName}-files"}
  Rare:
    Type: AWS::DynamoDB::Table
    Condition: HasName
"#;
    let text = TEXT.to_owned() + others.trim_start_matches('\n');
    let variables = "A: !Ref Table, B: !Ref NotesTable, C: !Ref Tags, D: !Ref Files, E: Table";
    let text = text.replace("LIMIT: 7", variables);
    let template = Template::parse(&text, &BTreeMap::new()).unwrap();
    let of_things: Vec<_> = template.environments()["things"].values().collect();
    assert_eq!(
        of_things,
        ["latchkey", "NotesTable", "all-tags", "Files", "Table"]
    );
    let tables: Vec<_> = template.tables().keys().collect();
    assert_eq!(tables, ["Files", "NotesTable", "all-tags", "latchkey"]);
    assert_eq!(
        template.tables()["NotesTable"]["BillingMode"],
        "PROVISIONED"
    );

    let twice = text.replace("all-tags", "NotesTable");
    let error = Template::parse(&twice, &BTreeMap::new()).err().unwrap();
    assert_eq!(error.to_string(), "two tables are called NotesTable");
    let none = TEXT.replace("AWS::DynamoDB::Table", "AWS::SNS::Topic");
    let error = Template::parse(&none, &BTreeMap::new()).err().unwrap();
    assert_eq!(error.to_string(), "it has no AWS::DynamoDB::Table");
}

#[test]
fn given_parameters_replace_the_defaults() {
    let given = [
        ("Seconds", "0"),
        ("Origins", "http://a,http://b"),
        ("Name", "n"),
    ];
    let template = parse(&given).unwrap();
    assert_eq!(template.authorizer().unwrap().cache_seconds, 0);
    assert_eq!(template.environments()["things"]["NAME"], "n");
    let origins = &template.cors().unwrap()["AllowOrigins"];
    assert_eq!(*origins, serde_json::json!(["http://a", "http://b"]));
}

#[test]
fn a_parameter_that_the_template_lacks_is_named_with_the_nearest_one() {
    let sentence = |name| parse(&[(name, "0")]).err().unwrap().to_string();
    for mistyped in ["Second", "seconds", "SECONDS", "Secnods", "Sec_onds"] {
        assert_eq!(
            sentence(mistyped),
            format!("there is no parameter {mistyped}; did you mean Seconds?")
        );
    }
    for other in ["Nonsense", "", "Se"] {
        assert_eq!(
            sentence(other),
            format!("there is no parameter {other}; template.yaml lists them")
        );
    }
}

#[test]
fn what_refers_to_a_resource_that_is_left_out_is_named() {
    let table = "Table:\n    Type: AWS::DynamoDB::Table\n";
    for reference in [
        "!GetAtt Extra.Arn",
        "!Ref Extra",
        "!Sub \"${Extra}/x\"",
        "[!Sub \"${AWS::Region}${Extra.Arn}\"]",
    ] {
        let text = TEXT.replace("LIMIT: 7", &format!("LIMIT: {reference}"));
        let extra = "Extra:\n    Type: AWS::SNS::Topic\n    Condition: HasName\n  ";
        let text = text.replace(table, &format!("{extra}{table}"));
        let given = BTreeMap::from([("Name".to_owned(), "n".to_owned())]);
        let whole = Template::parse(&text, &given).unwrap();
        assert!(whole.resources().contains_key("Extra"));
        let error = Template::parse(&text, &BTreeMap::new()).err().unwrap();
        assert_eq!(
            error.to_string(),
            "Things refers to Extra, which these parameters leave out"
        );
    }
}

#[test]
fn a_broken_template_is_one_sentence() {
    let none = BTreeMap::new();
    let broken = |text: &str| Template::parse(text, &none).err().unwrap().to_string();
    assert_eq!(broken(""), "it is empty");
    assert_eq!(broken("a: 1"), "it has no Resources");
    assert_eq!(
        broken("Resources: {}"),
        "it has no AWS::Serverless::HttpApi"
    );
    let condition = TEXT.replace("!Not [!Equals [!Ref Name, \"\"]]", "!Or [1, 2]");
    assert!(broken(&condition).starts_with("the condition HasName has something other than"));
    assert!(broken("a: [").contains("line"), "{}", broken("a: ["));
}

#[test]
fn a_list_lacks_what_a_condition_leaves_out_of_it() {
    let plain = "Properties: {BillingMode: PAY_PER_REQUEST}";
    let indexed = r#"Properties:
      AttributeDefinitions:
        - {AttributeName: pk, AttributeType: S}
        - !If [HasName, {AttributeName: name, AttributeType: S}, !Ref AWS::NoValue]
      GlobalSecondaryIndexes: !If [HasName, [{IndexName: names}], !Ref AWS::NoValue]"#;
    let text = TEXT.replace(plain, indexed);
    let table = |name: &str| {
        let given = BTreeMap::from([("Name".to_owned(), name.to_owned())]);
        let template = Template::parse(&text, &given).unwrap();
        template.tables()[crate::dynamodb::TABLE].clone()
    };
    let (with, without) = (table("a"), table(""));
    let count = |table: &Value| table["AttributeDefinitions"].as_array().unwrap().len();
    assert_eq!((count(&with), count(&without)), (2, 1));
    assert_eq!(with["GlobalSecondaryIndexes"][0]["IndexName"], "names");
    assert!(without.get("GlobalSecondaryIndexes").is_none());
}
