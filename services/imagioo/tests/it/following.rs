//! Following and stopping from the command line, against a server that takes its time.

use std::time::Duration;

use serde_json::Value;

use crate::house::{House, Running};

fn slow(milliseconds: u32) -> (House, Running) {
    let house = House::new();
    house.configure("worker", &format!("[providers.sketch]\nlatency_ms = {milliseconds}\n"));
    let server = house.serve(&["--demo"]);
    (house, server)
}

fn accepted(house: &House) -> String {
    let answer = house.imagioo(&["generate", "a fox", "--no-wait", "--json"]);
    answer["name"].as_str().unwrap().to_owned()
}

fn objects(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn one_generation_is_watched_to_its_end_and_all_of_them_until_an_interruption() {
    let (house, server) = slow(1500);
    server.line_after("first image: ");
    let name = accepted(&house);
    let said = house.says(&["watch", &name, "--json"]);
    assert_eq!(said.code, 0, "{}", said.err);
    let steps = objects(&said.out);
    assert!(steps.iter().all(|step| step["generation"]["name"] == name.as_str()), "{steps:?}");
    let last = &steps.last().unwrap()["generation"];
    assert_eq!((&last["state"], &last["charge"]), (&"succeeded".into(), &1.into()));
    assert_eq!(last["settings"]["size"], "1024x1024", "{last}");
    let told = house.says(&["watch", &name]);
    assert!(told.err.contains("`imagioo download gen_"), "{}", told.err);

    let all = house.running(&["watch", "--json"]);
    // Nobody but the server knows when it has begun to tell, so there is something new again and again.
    let mut told = (0..60).flat_map(|_| {
        accepted(&house);
        std::iter::from_fn(|| all.object_within(Duration::from_secs(1)))
    });
    let cursor = told.find_map(|step| step["cursor"].as_str().map(str::to_owned)).unwrap();
    drop(told);
    assert_eq!(all.interrupted(), 130);
    // What ended since a cursor is told by the next one who watches.
    let third = accepted(&house);
    house.wait_until_ended(&third);
    let later = house.running(&["watch", "--json", "--cursor", &cursor]);
    while later.object()["generation"]["name"] != third.as_str() {}
    assert_eq!(later.interrupted(), 130);
    assert_eq!(house.exit_code(&["watch", "fox.png"]), 2);
    assert_eq!(house.exit_code(&["watch", "gen_00000000000000000000000000000000"]), 4);
    server.interrupt();
}

#[test]
fn a_cancelled_generation_costs_nothing_and_whoever_watches_it_is_told() {
    let (house, server) = slow(0);
    server.line_after("first image: ");
    server.interrupt();
    house.configure("worker", "[providers.sketch]\nlatency_ms = 50000\n");
    let server = house.serve(&[]);
    server.line_after("stop with Ctrl-C");
    let credits = house.available();
    let name = accepted(&house);
    let watching = house.running(&["watch", &name, "--json"]);
    while watching.object()["generation"]["state"] != "running" {}
    let answer = house.imagioo(&["cancel", &name, "--json"]);
    assert_eq!(answer["name"], name.as_str());
    let last = loop {
        let step = watching.object();
        if step["generation"]["state"] == "cancelled" {
            break step;
        }
    };
    assert_eq!(last["generation"]["charge"], 0);
    assert_eq!(watching.ended(), 1);
    let said = house.says(&["cancel", &name]);
    assert_eq!(said.code, 0, "{}", said.err);
    assert!(said.out.contains("is cancelled; charged 0 credits"), "{}", said.out);
    assert!(house.says(&["watch", &name]).err.contains("was cancelled"));
    assert_eq!(house.exit_code(&["cancel", "gen_00000000000000000000000000000000"]), 4);
    house.wait_until_at_rest();
    assert_eq!(house.available(), credits);
    server.interrupt();
}
