//! What a guarded client does on the wire.

use std::net::TcpListener;

use wiremock::matchers::{method, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::*;

fn trusting(hosts: &[&str]) -> reqwest::Client {
    let trusted_hosts = hosts.iter().map(ToString::to_string).collect();
    client(&HttpConfig { trusted_hosts, ..HttpConfig::default() }).expect("a client")
}

async fn refused(client: &reqwest::Client, url: String) -> Option<Refusal> {
    refusal(&client.get(url).send().await.expect_err("the guard refuses"))
}

#[tokio::test]
async fn no_connection_leaves_for_a_private_address() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.set_nonblocking(true).expect("non-blocking");
    let port = listener.local_addr().expect("bound").port();
    let client = trusting(&[]);
    for host in ["127.0.0.1", "2130706433", "0.0.0.0", "localhost", "[::ffff:127.0.0.1]"] {
        assert_eq!(
            refused(&client, format!("https://{host}:{port}/")).await,
            Some(Refusal::Address),
            "{host}"
        );
    }
    let plain = refused(&client, format!("http://localhost:{port}/")).await;
    assert_eq!(plain, Some(Refusal::Scheme));
    let accepted = listener.accept().map_err(|error| error.kind());
    assert_eq!(accepted.err(), Some(std::io::ErrorKind::WouldBlock), "nobody knocked");
}

#[tokio::test]
async fn a_trusted_host_is_reached_and_its_redirect_is_not_followed() {
    let server = MockServer::start().await;
    let elsewhere = ResponseTemplate::new(302).insert_header("location", "http://169.254.169.254/");
    Mock::given(method("GET")).and(path("/old")).respond_with(elsewhere).expect(2).mount(&server).await;
    let port = server.address().port();
    for host in ["127.0.0.1", "localhost"] {
        let answer = trusting(&[host]).get(format!("http://{host}:{port}/old")).send().await;
        assert_eq!(answer.expect("trusted").status().as_u16(), 302);
    }
}

#[tokio::test]
async fn a_silent_server_is_given_up_on() {
    let silent = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let config = HttpConfig {
        trusted_hosts: vec![String::from("127.0.0.1")],
        read_timeout_seconds: 1,
        ..HttpConfig::default()
    };
    let url = format!("http://{}/", silent.local_addr().expect("bound"));
    let error = client(&config).expect("a client").get(url).send().await.expect_err("nothing is answered");
    assert!(error.is_timeout(), "{error}");
    assert_eq!(refusal(&error), None);
}
