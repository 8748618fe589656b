//! A program that speaks plain HTTP with the gateway, as a client of OpenAI does.

use imagioo_runtime::http::{HttpConfig, client};
use reqwest::multipart::{Form, Part};
use reqwest::{Client, Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};

use super::{App, User, within};

/// A program with a credential.
#[derive(Clone)]
pub struct Program {
    client: Client,
    address: String,
    credential: String,
}

/// What it was answered.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: http::HeaderMap,
    pub body: String,
}

impl App {
    /// A program that acts for this user.
    pub fn program(&self, user: &User) -> Program {
        let config = HttpConfig { trusted_hosts: vec!["127.0.0.1".to_owned()], ..HttpConfig::default() };
        let client = client(&config).expect("a client");
        Program { client, address: self.gateway.address.clone(), credential: user.credential.clone() }
    }
}

/// The body of a call that draws this with the model's defaults.
pub fn drawing(prompt: &str) -> Value {
    json!({ "model": "sketch", "prompt": prompt })
}

/// A form with texts and files.
pub fn form(texts: &[(&'static str, &str)], files: &[(&'static str, &[u8])]) -> Form {
    let form = texts.iter().fold(Form::new(), |form, (name, text)| form.text(*name, (*text).to_owned()));
    files.iter().fold(form, |form, (name, file)| {
        form.part(*name, Part::bytes(file.to_vec()).file_name("picture.png"))
    })
}

impl Program {
    /// The same with another credential, or whatever else the header may carry.
    pub fn with(&self, credential: &str) -> Self {
        Self { credential: credential.to_owned(), ..self.clone() }
    }

    pub fn call(&self, method: Method, path: &str) -> RequestBuilder {
        let call = self.client.request(method, format!("{}{path}", self.address));
        call.header("authorization", format!("Bearer {}", self.credential))
    }

    pub async fn get(&self, path: &str) -> Answer {
        answer(self.call(Method::GET, path)).await
    }

    pub async fn post(&self, path: &str, body: Value) -> Answer {
        answer(self.call(Method::POST, path).json(&body)).await
    }

    pub async fn post_form(&self, path: &str, form: Form) -> Answer {
        answer(self.call(Method::POST, path).multipart(form)).await
    }

    /// What is at a link, for which nobody needs a credential.
    pub async fn fetch(&self, link: &str) -> String {
        let response = within("an answer", self.client.get(link).send()).await.expect("answered");
        assert_eq!(response.status(), StatusCode::OK, "{link}");
        within("its body", response.text()).await.expect("a text")
    }

    /// Asks for images.
    pub async fn draw(&self, body: Value) -> Answer {
        self.post("/v1/images/generations", body).await
    }

    /// The same under a key.
    pub async fn draw_once(&self, key: &str, body: Value) -> Answer {
        let call = self.call(Method::POST, "/v1/images/generations").header("idempotency-key", key);
        answer(call.json(&body)).await
    }
}

/// The whole answer to a call; each must carry its name.
pub async fn answer(call: RequestBuilder) -> Answer {
    let response = within("an answer", call.send()).await.expect("answered");
    let (status, headers) = (response.status(), response.headers().clone());
    let body = within("its body", response.text()).await.expect("a text");
    assert!(headers["x-request-id"].to_str().expect("text").starts_with("req_"), "{headers:?}");
    Answer { status, headers, body }
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("no JSON: {}", self.body))
    }

    /// What must be a success.
    pub fn good(&self) -> Value {
        assert_eq!(self.status, StatusCode::OK, "{}", self.body);
        self.json()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().expect("text"))
    }

    /// The generation behind it.
    pub fn generation(&self) -> String {
        self.header("x-imagioo-generation").expect("it is named").to_owned()
    }

    /// Status, type, code and parameter of what must be an error in OpenAI's shape.
    pub fn error(&self) -> (u16, String, String, Option<String>) {
        let body = self.json();
        let error = body["error"].as_object().unwrap_or_else(|| panic!("no error: {}", self.body));
        let text = |name: &str| error[name].as_str().map(str::to_owned);
        assert!(text("message").is_some_and(|message| !message.is_empty()), "{}", self.body);
        let (kind, code) = (text("type").expect("a type"), text("code").expect("a code"));
        (self.status.as_u16(), kind, code, text("param"))
    }

    /// The events of a stream: names and data.
    pub fn events(&self) -> Vec<(String, Value)> {
        assert_eq!(self.header("content-type"), Some("text/event-stream"), "{}", self.body);
        let blocks = self.body.split("\n\n").filter(|block| block.starts_with("event"));
        blocks
            .map(|block| {
                let (name, data) = block.split_once('\n').expect("two lines");
                let name = name.strip_prefix("event: ").expect("a name").to_owned();
                let data = data.strip_prefix("data: ").expect("data");
                (name, serde_json::from_str(data).expect("JSON"))
            })
            .collect()
    }
}
