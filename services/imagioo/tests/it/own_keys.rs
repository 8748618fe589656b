//! A key of one's own, from the command line to the provider and back.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::thread;

use crate::house::House;

const KEY: &str = "sk-of-somebody-0123456789-abcd";
const PROMPT: &str = "a fox that anybody may see";
const OPERATORS: &str = "sk-of-the-operator-012345";

/// A provider that takes no key at all, and remembers those it was shown.
struct Stern {
    address: String,
    shown: Arc<Mutex<Vec<String>>>,
}

impl Stern {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}/v1", listener.local_addr().unwrap());
        let shown = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&shown);
        thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let head = BufReader::new(&stream).lines().map_while(Result::ok);
                let head: Vec<_> = head.take_while(|line| !line.is_empty()).collect();
                let is_key = |line: &&String| line.to_lowercase().starts_with("authorization:");
                seen.lock().unwrap().extend(head.iter().find(is_key).cloned());
                // The other side may have gone.
                let _ = stream.write_all(
                    b"HTTP/1.1 401 Unauthorized\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\
                      connection: close\r\n\r\n{}",
                );
            }
        });
        Self { address, shown }
    }
}

#[test]
fn a_key_is_kept_unreadable_used_refused_and_forgotten() {
    let (house, provider) = (House::new(), Stern::start());
    let account = format!(
        "[providers.openai]\nkind = \"openai\"\nbase_url = \"{}\"\napi_key = \"{OPERATORS}\"\n",
        provider.address
    );
    house.configure("worker", &account);
    let server = house.serve(&["--demo"]);
    server.line_after("first image: ");
    let credits = house.available();
    assert_eq!(house.exit_code(&["own-keys", "set", "nobody", "--key-stdin"]), 2, "no such provider, no key");

    let set =
        house.imagioo_told(&["own-keys", "set", "openai", "--key-stdin", "--json"], &format!("{KEY}\n"));
    assert_eq!((set["state"].as_str(), set["hint"].as_str()), (Some("active"), Some("abcd")), "{set}");
    assert!(!set.to_string().contains("0123456789"), "{set}");
    let found = house.files_with(KEY);
    assert!(found.is_empty(), "on the disk: {found:?}");

    let model = house.imagioo(&["models", "--json"])["models"]
        .as_array()
        .unwrap()
        .iter()
        .map(|model| model["name"].as_str().unwrap().to_owned())
        .find(|name| name != "models/sketch")
        .unwrap();
    let created = house.imagioo(&["generate", PROMPT, "-m", &model, "--no-wait", "--json"]);
    assert_eq!(
        (created["price"].as_i64(), created["key_source"].as_str()),
        (Some(1), Some("own")),
        "{created}"
    );
    let ended = house.wait_until_ended(created["name"].as_str().unwrap());
    assert_eq!((ended["state"].as_str(), ended["charge"].as_i64()), (Some("failed"), Some(0)), "{ended}");
    assert_eq!(ended["failure"]["reason"], "OWN_KEY_REFUSED");
    let shown = provider.shown.lock().unwrap().clone();
    assert_eq!(shown, [format!("authorization: Bearer {KEY}")], "once, and nobody else's");

    let listed = house.imagioo(&["own-keys", "list", "--json"]);
    let key = &listed["provider_keys"][0];
    assert_eq!((key["state"].as_str(), key["reject_reason"].as_str()), (Some("rejected"), Some("REFUSED")));
    assert_eq!(house.exit_code(&["generate", "a fox", "-m", &model]), 2, "not at the operator's price");
    house.imagioo(&["own-keys", "delete", "openai"]);
    assert_eq!(house.exit_code(&["own-keys", "delete", "openai"]), 4);
    house.wait_until_at_rest();
    assert_eq!(house.available(), credits);
    let found = house.files_with(KEY);
    assert!(found.is_empty(), "on the disk, in the end: {found:?}");
    assert!(!house.files_with(PROMPT).is_empty(), "whoever looks for a prompt finds it");
    server.interrupt();
}
