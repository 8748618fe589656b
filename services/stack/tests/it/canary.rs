//! What people write and what proves who they are goes through every path and into no log, span, metric or dead letter.

mod own_keys;
mod provider;

use std::collections::BTreeMap;
use std::fs;

use imagioo_proto::account::v1::account_service_client::AccountServiceClient;
use imagioo_proto::account::v1::{
    CreateApiKeyRequest, RefreshSessionRequest, SignInRequest, SignOutRequest, SignUpRequest,
};
use imagioo_proto::generation::v1::CreateGenerationRequest;
use imagioo_proto::generation::v1::generation_service_client::GenerationServiceClient;
use imagioo_proto::jobs::v1::{GenerationFinished, GenerationReady, GenerationSettled};
use imagioo_queue::{Message, Queue};
use imagioo_stack::{Folder, User};
use tokio::time::{Instant, sleep};
use tonic::transport::Channel;
use tonic::{Code, Request};
use uuid::Uuid;

use crate::collector::Collector;
use crate::house::{HANG, House};
use crate::operators;
use provider::Indiscreet;

/// What would end a record, colour a terminal or close a string, if a log took it as it comes.
const HOSTILE: &str = "\r\n{\"level\":\"FORGED\"}\u{1b}[31m\"";
/// The same, as far as a prompt may contain it.
const UGLY: &str = "\n{\"level\":\"FORGED\"}\"";

/// The secrets that are looked for, by what they are.
#[derive(Default)]
struct Canaries(BTreeMap<&'static str, String>);

impl Canaries {
    /// A new one, short enough to be seen in a text that was cut.
    fn hatch(&mut self, what: &'static str) -> String {
        let unique = Uuid::now_v7().simple().to_string();
        let canary = format!("canary{}", &unique[22..]);
        self.0.insert(what, canary.clone());
        canary
    }

    /// One that a service made.
    fn catch(&mut self, what: &'static str, secret: &str) -> String {
        assert!(secret.len() > 16, "{what} is not a secret");
        // Its end: the beginnings of some are shown by design.
        self.0.insert(what, secret[secret.len() - 16..].to_owned());
        secret.to_owned()
    }

    fn found_in(&self, text: &str) -> Vec<&'static str> {
        self.0.iter().filter(|(_, canary)| text.contains(canary.as_str())).map(|(what, _)| *what).collect()
    }
}

#[tokio::test]
async fn no_secret_and_nothing_a_person_wrote_is_in_a_log_a_span_a_metric_or_a_dead_letter() {
    let (mut canaries, collector) = (Canaries::default(), Collector::start().await);
    let provider = Indiscreet::start(&canaries.hatch("signed link")).await;
    let catalogue = tempfile::NamedTempFile::new().expect("a file");
    fs::write(catalogue.path(), provider::catalogue()).expect("written");
    let mut overrides = collector.overrides("info,imagioo=debug");
    let path = toml::Value::String(catalogue.path().display().to_string());
    overrides.push(("gateway", [("catalogue_file".to_owned(), path)].into_iter().collect()));
    let lists = tempfile::NamedTempFile::new().expect("a file");
    fs::write(lists.path(), "[[lists]]\ncategory = \"manners\"\nterms = [\"unspeakable\"]\n")
        .expect("written");
    let screening = format!("screening = {{ screens = [\"lists\"], lists.files = [{:?}] }}", lists.path());
    overrides.push(("gateway", screening.parse().expect("TOML")));
    overrides.push(("worker", provider::worker(&provider.address, &canaries.hatch("provider key"))));
    let house = House::with(1, 1, overrides).await;
    let user = house.user().await;
    canaries.catch("API key", user.key());

    let account = AccountServiceClient::new(user.channel());
    sign_up_and_in(&account, &mut canaries).await;
    lose_keys(&account, &user, &mut canaries).await;
    generate(&user, &mut canaries).await;
    own_keys::bring(&user, &mut canaries).await;
    user.all_ended(HANG).await.expect("everything ends");
    let letters = dead_letters(&house, &mut canaries).await;
    house.at_rest().await;

    assert_eq!(canaries.found_in(&letters), [""; 0], "in dead letters: {letters}");
    for (service, metrics) in operators::metrics(&house.stack).await {
        assert_eq!(canaries.found_in(&metrics), [""; 0], "in the metrics of {service}");
    }
    look_through_logs(house.stack.folder(), &canaries);
    house.stop().await;
    let spans = collector.text();
    assert!(spans.contains("CreateGeneration"), "spans arrived");
    let found = canaries.found_in(&spans);
    let leak = found.first().and_then(|what| spans.find(&canaries.0[what]));
    let around = leak.map(|at| &spans[at.saturating_sub(600)..(at + 200).min(spans.len())]);
    assert_eq!(found, [""; 0], "in spans: {around:?}");
}

/// Every way to get credentials, and every way to fail at it.
async fn sign_up_and_in(account: &AccountServiceClient<Channel>, canaries: &mut Canaries) {
    let mut account = account.clone();
    let email = format!("{}@example.org", canaries.hatch("address"));
    let password = format!("{} correct horse", canaries.hatch("password"));
    let wanted = SignUpRequest { email: email.clone(), password: password.clone() };
    let session = account.sign_up(wanted.clone()).await.expect("signed up").into_inner().session;
    let session = session.expect("a session");
    let access = canaries.catch("access token", &session.access_token);
    let refresh = canaries.catch("refresh token", &session.refresh_token);
    assert_eq!(account.sign_up(wanted).await.expect_err("taken").code(), Code::AlreadyExists);
    let malformed = format!("{HOSTILE}{}", canaries.hatch("malformed address"));
    account
        .sign_up(SignUpRequest { email: malformed, password: password.clone() })
        .await
        .expect_err("no address");
    let weak = SignUpRequest { email: email.clone(), password: email.clone() };
    account.sign_up(weak).await.expect_err("the address is no password");

    account.sign_in(SignInRequest { email: email.clone(), password }).await.expect("signed in");
    let wrong = format!("{HOSTILE}{}", canaries.hatch("wrong password"));
    account.sign_in(SignInRequest { email, password: wrong.clone() }).await.expect_err("wrong");
    let stranger = format!("{}@example.org", canaries.hatch("unknown address"));
    account.sign_in(SignInRequest { email: stranger, password: wrong }).await.expect_err("unknown");

    let name = format!("{HOSTILE}{}", canaries.hatch("display name"));
    let key = CreateApiKeyRequest { display_name: name, expire_time: None };
    let key = account.create_api_key(signed(key, &access)).await.expect("a key").into_inner();
    canaries.catch("second API key", &key.secret);
    let renewed = account.refresh_session(RefreshSessionRequest { refresh_token: refresh.clone() }).await;
    let renewed = renewed.expect("renewed").into_inner().session.expect("a session");
    canaries.catch("second access token", &renewed.access_token);
    let last = canaries.catch("second refresh token", &renewed.refresh_token);
    let spent = RefreshSessionRequest { refresh_token: refresh };
    account.refresh_session(spent).await.map(drop).unwrap_or_default();
    let foreign = RefreshSessionRequest { refresh_token: canaries.hatch("foreign refresh token") };
    account.refresh_session(foreign).await.expect_err("unknown");
    account.sign_out(SignOutRequest { refresh_token: last }).await.map(drop).unwrap_or_default();
}

/// Credentials and headers that are none.
async fn lose_keys(account: &AccountServiceClient<Channel>, user: &User, canaries: &mut Canaries) {
    use imagioo_proto::account::v1::GetMeRequest;
    let mut account = account.clone();
    let wrong = [
        canaries.hatch("wrong token"),
        format!("img_live_{}", canaries.hatch("wrong key")),
        format!("{}{}", user.key(), canaries.hatch("longer key")),
        format!("eyJhbGciOiJFZERTQSJ9.e30.{}", canaries.hatch("forged token")),
    ];
    for credential in wrong {
        let refused = account.get_me(signed(GetMeRequest {}, &credential)).await.expect_err("refused");
        assert_eq!(refused.code(), Code::Unauthenticated);
    }
    let mut odd = signed(GetMeRequest {}, user.key());
    for name in ["user-agent", "x-request-id", "grpc-timeout", "x-imagioo-service", "cookie", "traceparent"] {
        let value = format!("\"{}\"", canaries.hatch("header"));
        odd.metadata_mut().insert(name, value.parse().expect("a value"));
    }
    // Whatever is answered to it.
    account.get_me(odd).await.map(drop).unwrap_or_default();
}

/// Prompts that are drawn, refused, or choke the provider; names of models that are none.
async fn generate(user: &User, canaries: &mut Canaries) {
    let mut generations = GenerationServiceClient::new(user.channel());
    let prompt = |canary: String| format!("{UGLY} a fox called {canary}");
    let wanted = |model: &str, prompt: String| CreateGenerationRequest {
        model: format!("models/{model}"),
        prompt,
        count: 1,
        ..CreateGenerationRequest::default()
    };
    for model in ["sketch", "echo", "link"] {
        let accepted = wanted(model, prompt(canaries.hatch(model)));
        generations.create_generation(signed(accepted, user.key())).await.expect("accepted");
    }
    let unknown = format!("{HOSTILE}{}", canaries.hatch("unknown model"));
    let oversized = prompt(canaries.hatch("oversized prompt")).repeat(2_000);
    let limited = prompt(canaries.hatch("prompt above its limit"));
    let (size, request_id) = (canaries.hatch("size"), canaries.hatch("request id"));
    let settings = imagioo_proto::generation::v1::GenerationSettings { size, ..Default::default() };
    let refused = [
        wanted(&unknown, prompt(canaries.hatch("prompt for an unknown model"))),
        wanted("sketch", oversized),
        wanted("sketch", prompt(format!("\0{}", canaries.hatch("prompt with a zero byte")))),
        wanted("sketch", prompt(format!("unspeakable {}", canaries.hatch("blocked prompt")))),
        CreateGenerationRequest { max_credits: Some(0), ..wanted("sketch", limited) },
        CreateGenerationRequest { settings: Some(settings), ..wanted("sketch", "a fox".to_owned()) },
        CreateGenerationRequest {
            request_id: format!("{HOSTILE}{request_id}"),
            ..wanted("sketch", "a fox".to_owned())
        },
    ];
    for request in refused {
        let shown = format!("{request:?}");
        let answer = generations.create_generation(signed(request, user.key())).await;
        assert!(answer.is_err(), "accepted: {shown}");
    }
}

/// Messages that no consumer can use, and what became of them.
async fn dead_letters(house: &House, canaries: &mut Canaries) -> String {
    let config = house.stack.folder().path().join("config/worker-1.toml");
    let config: toml::Table = fs::read_to_string(config).expect("written").parse().expect("TOML");
    let url = config["queue"]["url"].as_str().expect("an address").to_owned();
    let queue = Queue::rabbitmq(&imagioo_queue::RabbitConfig::at(url.into())).expect("an address");
    let canary = format!("{}{HOSTILE}", canaries.hatch("message"));
    let settled = GenerationSettled { owner: format!("users/{canary}"), ..Default::default() };
    let finished = GenerationFinished { generation: format!("generations/{canary}"), ..Default::default() };
    let ready = GenerationReady { generation: format!("generations/{canary}"), attempt: 1 };
    queue.publish(Message::of(&settled)).await.expect("published");
    queue.publish(Message::of(&finished)).await.expect("published");
    queue.offer("sketch", &ready).await.expect("offered");
    let deadline = Instant::now() + HANG;
    loop {
        let letters = queue.dead_letters().await.expect("a list");
        if letters.len() == 3 {
            let told = |letter: &imagioo_queue::DeadLetter| format!("{}: {}", letter.queue, letter.reason);
            return letters.iter().map(told).collect::<Vec<_>>().join("\n");
        }
        assert!(Instant::now() < deadline, "{letters:?}");
        sleep(std::time::Duration::from_millis(100)).await;
    }
}

/// Every line is one JSON object and shows no canary.
fn look_through_logs(folder: &Folder, canaries: &Canaries) {
    let mut said = Vec::new();
    for entry in fs::read_dir(folder.logs()).expect("logs") {
        let path = entry.expect("an entry").path();
        let name = path.display();
        for line in fs::read_to_string(&path).expect("text").lines() {
            assert_eq!(canaries.found_in(line), [""; 0], "{name}: {line}");
            let record: serde_json::Value =
                serde_json::from_str(line).unwrap_or_else(|error| panic!("{name}: {error}: {line:?}"));
            assert!(record["level"].is_string() && record["level"] != "FORGED", "{name}: {line}");
            assert_eq!(record.to_string().len(), line.len(), "a field stands twice: {line}");
            said.push(record["message"].as_str().unwrap_or_default().to_owned());
        }
    }
    for expected in [
        "account created",
        "prompt blocked",
        "provider call failed",
        "message cannot be read",
        "message dead-lettered",
        "own key set",
    ] {
        assert!(said.iter().any(|message| message == expected), "nobody says `{expected}`: {said:?}");
    }
}

fn signed<T>(message: T, credential: &str) -> Request<T> {
    let mut request = Request::new(message);
    let value = imagioo_rpc::bearer(credential).expect("text");
    request.metadata_mut().insert("authorization", value);
    request
}
