//! AWS's credential chain against endpoints on loopback.

use switchboard_engine::sign::aws::{Aws, Endpoints, Keys, Profile, Source as AwsSource};
use switchboard_engine::sign::{Auth, SignError};

use super::server::{Server, header};
use super::signing::{clock, endpoint, environment, signed, write_file};

const STS: &str = "<R><Credentials><AccessKeyId>ASIA1</AccessKeyId><SecretAccessKey>s</SecretAccessKey>\
     <SessionToken>tok</SessionToken><Expiration>2030-01-01T00:00:00Z</Expiration></Credentials></R>";
const JSON_KEYS: &str = r#"{"AccessKeyId":"ASIA2","SecretAccessKey":"s","Token":"tok","Expiration":"2030-01-01T00:00:00Z"}"#;

/// The access key a chain finds with this environment and profile.
async fn found(server: &Server, variables: &[(&'static str, String)], profile: Profile) -> Result<String, SignError> {
    let source = AwsSource::Chain { environment: environment(variables), profile, endpoints: endpoints(server) };
    access_key(source).await
}

async fn access_key(source: AwsSource) -> Result<String, SignError> {
    let aws = Aws::new("us-east-1", "bedrock", source, clock(1_600_000_000).0);
    let value = signed(Auth::Aws(aws), "authorization").await?;
    let (_, rest) = value.split_once("Credential=").unwrap();
    let (key, rest) = rest.split_once('/').unwrap();
    assert!(rest.starts_with("20200913/us-east-1/bedrock/aws4_request, SignedHeaders="), "{rest}");
    Ok(key.to_owned())
}

fn endpoints(server: &Server) -> Endpoints {
    let base = format!("http://{}", server.address);
    Endpoints { sts: base.clone(), container: base.clone(), machine: base }
}

#[tokio::test]
async fn the_chain_is_followed_in_order() {
    let roles = "/latest/meta-data/iam/security-credentials/";
    let (server, seen) = endpoint(&[
        ("/", STS),
        ("/container", JSON_KEYS),
        ("/latest/api/token", "imds"),
        (roles, "role"),
        ("/latest/meta-data/iam/security-credentials/role", JSON_KEYS),
    ])
    .await;
    let own = [("AWS_ACCESS_KEY_ID", "AKIA0".to_owned()), ("AWS_SECRET_ACCESS_KEY", "s".to_owned())];
    let none = Profile::default;
    assert_eq!(found(&server, &own, none()).await.unwrap(), "AKIA0");
    assert!(seen.lock().unwrap().is_empty());
    let token = write_file("web-identity", "jwt\n").display().to_string();
    let web = [("AWS_WEB_IDENTITY_TOKEN_FILE", token), ("AWS_ROLE_ARN", "arn:aws:iam::1:role/r".to_owned())];
    assert_eq!(found(&server, &web, none()).await.unwrap(), "ASIA1");
    let (_, body) = seen.lock().unwrap().pop().unwrap();
    assert!(body.ends_with("&WebIdentityToken=jwt"), "{body}");
    let profile = Profile {
        credentials_file: Some(write_file("profile", "[default]\naws_access_key_id = AKIA1\naws_secret_access_key = s\n")),
        ..Profile::default()
    };
    assert_eq!(found(&server, &[], profile).await.unwrap(), "AKIA1");
    let container =
        [("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/container".to_owned()), ("AWS_CONTAINER_AUTHORIZATION_TOKEN", "auth".to_owned())];
    assert_eq!(found(&server, &container, none()).await.unwrap(), "ASIA2");
    let (head, _) = seen.lock().unwrap().pop().unwrap();
    assert_eq!(header(&head, "authorization"), Some("auth"));
    assert_eq!(found(&server, &[], none()).await.unwrap(), "ASIA2");
    let (head, _) = seen.lock().unwrap().pop().unwrap();
    assert_eq!(header(&head, "x-aws-ec2-metadata-token"), Some("imds"));
    let disabled = [("AWS_EC2_METADATA_DISABLED", "true".to_owned())];
    let error = found(&server, &disabled, none()).await.unwrap_err();
    assert!(matches!(error, SignError::Missing(_)));
}

#[tokio::test]
async fn a_role_is_assumed_with_signed_words() {
    let (server, seen) = endpoint(&[("/", STS)]).await;
    let source = AwsSource::Role {
        base: Box::new(AwsSource::Static(Keys { access_key: "AKIA0".into(), secret_key: "s".into(), session_token: None })),
        role: "arn:aws:iam::1:role/r".into(),
        external_id: Some("ext".into()),
        session: "switchboard".into(),
        region: "us-east-1".into(),
        endpoints: endpoints(&server),
    };
    assert_eq!(access_key(source).await.unwrap(), "ASIA1");
    let (head, body) = seen.lock().unwrap().pop().unwrap();
    assert!(body.ends_with("&ExternalId=ext"), "{body}");
    let value = header(&head, "authorization").unwrap();
    assert!(value.contains("/us-east-1/sts/aws4_request, SignedHeaders=content-type;host;x-amz-date"));
}

#[tokio::test]
async fn a_profile_may_name_a_role() {
    let (server, seen) = endpoint(&[("/", STS)]).await;
    let profile = Profile {
        config_file: Some(write_file(
            "role",
            "[profile work]\nrole_arn = arn:aws:iam::1:role/r\nsource_profile = own\nexternal_id = ext\n\
             [profile own]\naws_access_key_id = AKIA1\naws_secret_access_key = s\n",
        )),
        name: Some("work".into()),
        ..Profile::default()
    };
    assert_eq!(found(&server, &[], profile).await.unwrap(), "ASIA1");
    let (head, body) = seen.lock().unwrap().pop().unwrap();
    assert!(body.ends_with("&ExternalId=ext"), "{body}");
    let value = header(&head, "authorization").unwrap();
    assert!(value.contains("Credential=AKIA1/"), "{value}");
}

/// The name under which `aws sso login` keeps the token of a session called `work`.
const SIGN_IN: &str = "e274eeff768c6396088ec6eb091f4bf4d47ab1e0.json";
const PORTAL_KEYS: &str =
    r#"{"roleCredentials":{"accessKeyId":"ASIA3","secretAccessKey":"s","sessionToken":"tok","expiration":1893456000000}}"#;

#[tokio::test]
async fn a_sign_in_gives_the_keys_of_its_role() {
    let path = "/federation/credentials?role_name=Read%20Only&account_id=123456789012";
    let (server, seen) = endpoint(&[(path, PORTAL_KEYS), ("/", STS)]).await;
    let folder = std::env::temp_dir().join(format!("switchboard-sso-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let sign_in = |expires: &str| {
        let text = format!(
            r#"{{"startUrl":"https://x.awsapps.com/start","region":"eu-west-1","accessToken":"sso-token","expiresAt":"{expires}"}}"#
        );
        std::fs::write(folder.join(SIGN_IN), text).unwrap();
    };
    let profile = |name: &str| Profile {
        config_file: Some(write_file(
            "sso",
            "[profile dev]\nsso_session = work\nsso_account_id = 123456789012\nsso_role_name = Read Only\n\
             [sso-session work]\nsso_region = eu-west-1\nsso_start_url = https://x.awsapps.com/start\n\
             [profile further]\nrole_arn = arn:aws:iam::1:role/r\nsource_profile = dev\n",
        )),
        sign_ins: Some(folder.clone()),
        name: Some(name.to_owned()),
        ..Profile::default()
    };
    sign_in("2020-09-14T00:00:00Z");
    assert_eq!(found(&server, &[], profile("dev")).await.unwrap(), "ASIA3");
    let (head, _) = seen.lock().unwrap().pop().unwrap();
    assert_eq!(header(&head, "x-amz-sso_bearer_token"), Some("sso-token"));
    // A role may be asked for with them.
    assert_eq!(found(&server, &[], profile("further")).await.unwrap(), "ASIA1");
    sign_in("2020-09-13T00:00:00Z");
    let over = found(&server, &[], profile("dev")).await.unwrap_err();
    assert!(over.to_string().contains("aws sso login"), "{over}");
    std::fs::remove_file(folder.join(SIGN_IN)).unwrap();
    assert!(matches!(found(&server, &[], profile("dev")).await, Err(SignError::Missing(_))));
    std::fs::remove_dir(&folder).unwrap();
}

#[tokio::test]
async fn a_program_may_print_keys() {
    let (server, _) = endpoint(&[]).await;
    let profile = |command: &str, name: &str| Profile {
        config_file: Some(write_file(name, &format!("[default]\ncredential_process = {command}\n"))),
        ..Profile::default()
    };
    let printed = write_file("printed", r#"{"Version":1,"AccessKeyId":"ASIA4","SecretAccessKey":"s","Expiration":"2030-01-01T00:00:00Z"}"#);
    let command = format!("/bin/cat '{}'", printed.display());
    assert_eq!(found(&server, &[], profile(&command, "process")).await.unwrap(), "ASIA4");
    let other = write_file("other-version", r#"{"Version":2,"AccessKeyId":"A","SecretAccessKey":"s"}"#);
    for command in
        [format!("/bin/cat {}", other.display()), "/bin/false".to_owned(), "/nowhere/at/all".to_owned(), "/bin/echo no".to_owned()]
    {
        found(&server, &[], profile(&command, "process-bad")).await.unwrap_err();
    }
}
