//! What operators do from the command line: provider accounts, and messages that nobody could handle.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::thread;

use imagioo_proto::jobs::v1::GenerationSettled;
use imagioo_proto::queue::v1::StoredDeadLetter;
use prost::Message as _;
use uuid::Uuid;

use crate::house::House;

const KEY: &str = "fal-key-0123456789";

/// Answers each request by its `authorization`; the status and the body.
fn answering(answer: fn(Option<&str>) -> (u16, &'static str)) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let head = BufReader::new(&stream).lines().map_while(Result::ok);
            let head: Vec<_> = head.take_while(|line| !line.is_empty()).collect();
            let key = head.iter().find_map(|line| {
                let (name, value) = line.split_once(':')?;
                name.eq_ignore_ascii_case("authorization").then(|| value.trim())
            });
            let (status, body) = answer(key);
            // The other side may have gone.
            let _ = write!(
                stream,
                "HTTP/1.1 {status} X\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
                body.len()
            );
        }
    });
    address
}

/// fal, as far as a request that never was is concerned.
fn fal(key: Option<&str>) -> (u16, &'static str) {
    match key {
        Some("Key fal-key-0123456789") => (404, r#"{"detail":"Request not found"}"#),
        _ => (401, r#"{"detail":"Authentication is required to access this application."}"#),
    }
}

#[test]
fn a_provider_is_added_only_with_a_key_that_it_knows_and_removed_with_it() {
    let house = House::new();
    let data = house.path("data");
    let data = ["--data", data.to_str().unwrap()];
    let (good, foreign) = (answering(fal), answering(|_| (404, "<!DOCTYPE html><h1>Not Found</h1>")));
    let add = |address: &str, key: &str| {
        let add = ["providers", "add", "fal", "--key-stdin", "--json", "--base-url", address];
        house.says_when_told(&[&add[..], &data].concat(), &format!("{key}\n"))
    };
    let listed =
        || house.imagioo(&[&["providers", "list", "--json"][..], &data].concat())["providers"].clone();
    for (address, key) in [(&foreign, KEY), (&good, "another-key")] {
        let said = add(address, key);
        assert_eq!(said.code, 1, "{}", said.err);
        assert!(said.err.contains("--no-check"), "{}", said.err);
        assert_eq!(listed(), serde_json::json!([]), "nothing is kept");
    }
    let said = add(&good, KEY);
    assert_eq!(said.code, 0, "{}", said.err);
    assert!(!said.out.contains(KEY) && !said.err.contains(KEY));
    assert_eq!((&listed()[0]["name"], &listed()[0]["key"]), (&"fal".into(), &true.into()));
    let key = house.path("data/keys/provider-fal.key");
    assert_eq!(fs::read_to_string(&key).unwrap(), KEY);
    assert_eq!(fs::metadata(&key).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(house.exit_code(&[&["providers", "check", "fal"][..], &data].concat()), 0);
    assert_eq!(house.exit_code(&[&["providers", "check", "bfl"][..], &data].concat()), 4);

    assert_eq!(house.exit_code(&[&["providers", "remove", "fal"][..], &data].concat()), 0);
    assert!(!key.exists());
    assert_eq!(listed(), serde_json::json!([]));
}

/// A message that was given up before this server began.
fn give_up(house: &House, reason: &str) -> String {
    let id = Uuid::now_v7();
    let settled =
        GenerationSettled { generation: "generations/gen_1".to_owned(), ..GenerationSettled::default() };
    let letter = StoredDeadLetter {
        message_id: id.as_bytes().to_vec().into(),
        message_type: "imagioo.jobs.v1.GenerationSettled".to_owned(),
        body: settled.encode_to_vec().into(),
        trace_parent: String::new(),
        queue: "billing.generation-settled".to_owned(),
        attempts: 20,
        reason: reason.to_owned(),
        give_up_time: None,
    };
    let folder = house.path("data/dead-letters");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join(format!("{id}.{}.letter", letter.queue)), letter.encode_to_vec()).unwrap();
    id.to_string()
}

#[test]
fn a_message_that_was_given_up_is_shown_with_its_reason_and_dropped_for_good() {
    let house = House::new();
    let (first, second) = (give_up(&house, "it makes no sense"), give_up(&house, "nor does this"));
    let server = house.serve(&["--demo"]);
    server.line_after("first image: ");
    let admin = |arguments: &[&str]| house.says(&[&["admin", "dead-letters"][..], arguments].concat());
    let json = |arguments: &[&str]| {
        house.imagioo(&[&["admin", "dead-letters"][..], arguments, &["--json"]].concat())
    };
    assert_eq!(json(&["list"])["total_size"], 2);
    let shown = json(&["show", &first]);
    assert_eq!(
        (&shown["subject"], &shown["reason"], &shown["attempts"]),
        (&"generations/gen_1".into(), &"it makes no sense".into(), &20.into())
    );
    assert_eq!(shown["queue"], "billing.generation-settled");
    let said = admin(&["show", &format!("deadLetters/{second}")]);
    assert!(said.out.contains("reason    nor does this"), "{}", said.out);

    let dropped = json(&["drop", &first]);
    assert_eq!(dropped["dead_letters"][0]["name"], format!("deadLetters/{first}").as_str());
    assert_eq!(admin(&["show", &first]).code, 4);
    assert_eq!(admin(&["drop", &first]).code, 4);
    assert_eq!(admin(&["show", "fox"]).code, 2);
    assert_eq!(admin(&["drop"]).code, 2, "which ones is to be said");
    let said = admin(&["drop", "--all"]);
    assert!(said.out.contains(&format!("dropped deadLetters/{second}")), "{}", said.out);
    server.interrupt();

    // They are gone from the disk, too.
    let server = house.serve(&[]);
    server.line_after("stop with Ctrl-C");
    assert_eq!(json(&["list"])["total_size"], 0);
    house.wait_until_at_rest();
    server.interrupt();
}
