//! The embedded server and the command line as a person meets them: real processes, a real database, a real kill.
#![expect(clippy::unwrap_used, reason = "a failed step of a test ends it")]

mod following;
mod house;
mod operating;
mod own_keys;
mod presets;
mod verbs;

use house::House;

#[test]
fn the_demo_makes_one_account_and_one_image_however_often_it_starts() {
    let house = House::new();
    let server = house.serve(&["--demo"]);
    let first = server.line_after("first image: ");
    assert!(house.is_png(first.as_ref()));
    let before = house.imagioo(&["list", "--json"]);
    server.interrupt();

    let again = house.serve(&["--demo"]);
    assert_eq!(again.line_after("first image: "), first);
    assert_eq!(house.imagioo(&["list", "--json"]), before);
    again.interrupt();
}

#[test]
fn an_image_is_made_charged_and_kept_and_everything_is_at_rest() {
    let house = House::new();
    let server = house.serve(&["--demo"]);
    server.line_after("first image: ");
    let credits = house.available();
    let path = house.path("fox.png");
    house.imagioo(&["generate", "a red fox", "-o", path.to_str().unwrap()]);
    assert!(house.is_png(&path));
    house.wait_until_at_rest();
    assert_eq!(house.available(), credits - 1);
    server.interrupt();
}

#[test]
fn a_killed_server_finishes_what_it_had_accepted() {
    let house = House::new();
    house.configure("worker", "[providers.sketch]\nlatency_ms = 1500\n");
    let server = house.serve(&["--demo"]);
    server.line_after("first image: ");
    let credits = house.available();
    let accepted: Vec<String> = (0..5)
        .map(|n| {
            let answer = house.imagioo(&["generate", &format!("fox number {n}"), "--no-wait", "--json"]);
            answer["name"].as_str().unwrap().to_owned()
        })
        .collect();
    server.kill();

    let server = house.serve(&[]);
    for name in &accepted {
        let ended = house.wait_until_ended(name);
        assert_eq!(ended["state"], "succeeded", "{ended}");
        assert_eq!(ended["charge"], 1);
    }
    house.wait_until_at_rest();
    assert_eq!(house.available(), credits - 5);
    server.interrupt();
}

#[test]
fn bad_input_is_told_apart_by_its_exit_code_and_costs_nothing() {
    let house = House::new();
    let server = house.serve(&["--demo"]);
    server.line_after("first image: ");
    let credits = house.available();
    assert_eq!(house.exit_code(&["generate", "a fox", "-m", "models/nothing"]), 2);
    assert_eq!(house.exit_code(&["generate", "a fox", "--size", "7x7"]), 2);
    assert_eq!(house.exit_code(&["show", "generations/gen_00000000000000000000000000000000"]), 4);
    assert_eq!(house.exit_code(&["generate", "a fox", "--api-key", "img_live_nonsense"]), 3);
    house.wait_until_at_rest();
    assert_eq!(house.available(), credits);
    server.interrupt();
    assert_eq!(house.exit_code(&["balance"]), 7);
}

#[test]
fn a_second_server_on_the_same_folder_is_refused_with_a_reason() {
    let house = House::new();
    let server = house.serve(&[]);
    server.line_after("stop with Ctrl-C");
    let refused = house.serve_elsewhere();
    assert!(!refused.status.success());
    let said = String::from_utf8_lossy(&refused.stderr).to_lowercase();
    assert!(said.contains("another") || said.contains("in use"), "{said}");
    server.interrupt();
}
