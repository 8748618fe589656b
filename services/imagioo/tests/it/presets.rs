//! Presets from the command line: an operator shares one with a price, everybody uses it.

use serde_json::Value;

use crate::house::House;

#[test]
fn an_operator_shares_a_preset_whose_surcharge_is_charged() {
    let house = House::new();
    let server = house.serve(&["--demo"]);
    server.line_after("first image: ");
    let credits = house.available();
    house.imagioo(&[
        "presets",
        "save",
        "oils",
        "--template",
        "{prompt}, in oils",
        "-m",
        "sketch",
        "--size",
        "256x256",
    ]);
    let shared = house.imagioo(&["admin", "presets", "share", "oils", "--surcharge", "2", "--json"]);
    assert_eq!((&shared["name"], &shared["price"]), (&"sharedPresets/oils".into(), &3.into()));

    let path = house.path("fox.png");
    let out = path.to_str().unwrap();
    let preset = ["--preset", "sharedPresets/oils"];
    let made = house.imagioo(&[&["generate", "a fox", "-o", out, "--json"], &preset[..]].concat());
    assert_eq!((&made["prompt"], &made["charge"]), (&"a fox, in oils".into(), &3.into()));
    assert_eq!(made["preset"], "sharedPresets/oils@1");
    assert_eq!(house.says(&[&["vary", out, "--max-credits", "2"], &preset[..]].concat()).code, 2);

    // A surcharge stays until another one is named; a version never changes.
    let save = ["admin", "presets", "save", "oils", "--title", "Oils", "--template", "{prompt} in oil paint"];
    assert_eq!(house.imagioo(&[&save[..], &["--json"]].concat())["surcharge"], 2);
    assert_eq!(house.imagioo(&[&save[..], &["--surcharge", "0", "--json"]].concat())["surcharge"], 0);
    let version = house.imagioo(&["admin", "presets", "show", "oils@1", "--json"]);
    assert_eq!((&version["template"], &version["surcharge"]), (&"{prompt}, in oils".into(), &2.into()));
    let listed = house.imagioo(&["admin", "presets", "list", "--json"]);
    assert_eq!(
        (&listed["presets"][0]["version"], listed["presets"].as_array().map(Vec::len)),
        (&3.into(), Some(1))
    );

    house.imagioo(&["admin", "presets", "delete", "oils"]);
    assert_eq!(house.says(&[&["generate", "a fox"], &preset[..]].concat()).code, 4);
    assert_eq!(house.says(&["admin", "presets", "delete", "presets/oils"]).code, 2);
    assert_eq!(house.imagioo(&["admin", "presets", "list", "--json"])["presets"], Value::Array(Vec::new()));
    house.wait_until_at_rest();
    assert_eq!(house.available(), credits - 3);
    server.interrupt();
}

#[test]
fn a_preset_of_words_alone_runs_with_the_model_that_would_run_without_it() {
    let house = House::new();
    let server = house.serve(&["--demo"]);
    server.line_after("first image: ");
    house.imagioo(&["presets", "save", "oils", "--template", "{prompt}, oil on canvas", "--size", "256x256"]);
    let made = house.imagioo(&["generate", "a fox", "--preset", "oils", "--no-wait", "--json"]);
    assert_eq!((&made["model"], &made["prompt"]), (&"models/sketch".into(), &"a fox, oil on canvas".into()));
    let unknown = house.says(&["generate", "a fox", "--preset", "pastels"]);
    assert_eq!(unknown.code, 4, "{}", unknown.err);
    house.wait_until_at_rest();
    server.interrupt();
}

#[test]
fn who_has_no_operators_key_shares_nothing() {
    let house = House::new();
    let server = house.serve(&["--demo"]);
    server.line_after("first image: ");
    let nowhere = house.path("nowhere");
    let said = house.says(&["admin", "presets", "list", "--keys-dir", nowhere.to_str().unwrap()]);
    assert_eq!(said.code, 1);
    assert!(said.err.contains("--keys-dir"), "{}", said.err);
    server.interrupt();
}
