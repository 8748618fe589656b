//! ComfyUI, after its `server.py`.

use imagioo_picture::{Operation, Settings};
use imagioo_testkit::web::{Asked, Reply};
use imagioo_worker::job::Job;
use serde_json::{Value, json};

use crate::conformance::{Fault, Good, Step, Trial, Wire, conformance};
use crate::harness::{World, ending, job_at, picture, taken_over};
use crate::pictures::kept;

const GRAPH: &str = include_str!("../../../../../deploy/config/comfyui/text-to-image.json");

#[derive(Default)]
struct ComfyUi {
    /// The call that was queued here, and how often it was asked after.
    queued: Option<String>,
    polls: u32,
}

impl ComfyUi {
    /// A call waits behind another, then it runs, then it is done.
    fn queue(&mut self) -> Value {
        self.polls += 1;
        let entry = |id: &str| json!([1, id, {}, {}, []]);
        match (&self.queued, self.polls) {
            (Some(id), 1) => json!({ "queue_running": [entry("another")], "queue_pending": [entry(id)] }),
            (Some(id), 2) => json!({ "queue_running": [entry(id)], "queue_pending": [entry("another")] }),
            _ => json!({ "queue_running": [entry("another")], "queue_pending": [] }),
        }
    }

    /// Nothing is remembered of a call before it is done.
    fn history(&self, id: &str) -> Value {
        if self.queued.is_some() && self.polls < 3 {
            return json!({});
        }
        json!({ id: {
            "outputs": { "9": { "images": [{ "filename": "f 1.png", "subfolder": "", "type": "output" }] } },
            "status": { "status_str": "success", "completed": true, "messages": [] } } })
    }
}

fn id_in(path: &str) -> &str {
    path.trim_start_matches("/history/")
}

impl Wire for ComfyUi {
    const KIND: &'static str = "comfyui";
    const OWN_KEYS: bool = false;
    const BASE: &'static str = "";
    const LINKS: bool = false;
    const CHECK: (&'static str, u16) = ("/system_stats", 200);
    const TASK: Option<&'static str> = Some("00000000-0000-8000-8000-000000000001");
    const REPEATABLE: bool = true;
    const COMPLAINT: &'static str =
        r#"{"error":{"type":"invalid_prompt","message":"m","details":"","extra_info":{}},"node_errors":{}}"#;

    fn step(&self, asked: &Asked) -> Step {
        match asked.path.as_str() {
            "/prompt" => Step::Submit,
            "/queue" => Step::Poll,
            path if path.starts_with("/history/") => Step::Poll,
            _ => Step::Other,
        }
    }

    fn good(&mut self, asked: &Asked, good: &Good<'_>) -> Reply {
        assert_eq!(asked.header("authorization"), Some("Bearer test-key"));
        let body = match asked.path.as_str() {
            "/prompt" => {
                let id = asked.json()["prompt_id"].clone();
                self.queued = id.as_str().map(str::to_owned);
                self.polls = 0;
                json!({ "prompt_id": id, "number": 1, "node_errors": {} })
            }
            "/queue" => self.queue(),
            "/upload/image" => json!({ "name": "a.png", "subfolder": "imagioo", "type": "input" }),
            path if path.starts_with("/history/") => self.history(id_in(path)),
            "/view?filename=f+1.png&subfolder=&type=output" => return Reply::file("image/png", good.file),
            _ => return Reply::unknown(),
        };
        Reply::json(200, &body.to_string())
    }

    fn prepare(job: &mut Job) {
        let graph: Value = serde_json::from_str(GRAPH).expect("JSON");
        let options = json!({ "graph": graph });
        job.deployment.options = std::sync::Arc::new(options.as_object().expect("options").clone());
    }
}

conformance!(ComfyUi, refuses nothing);

fn prepared() -> Job {
    let mut job = job_at("provider", 1);
    ComfyUi::prepare(&mut job);
    job
}

#[tokio::test]
async fn the_shipped_graph_is_filled_and_nothing_else_of_it_changes() {
    let mut world = World::new().await;
    let verdict = Trial::default().run_job::<ComfyUi>(&mut world, prepared()).await;
    assert_eq!(ending(&verdict.manifest), "complete");
    let sent = verdict.asked.iter().find(|(step, _)| *step == Step::Submit).expect("a submit").1.json();
    let texts = sent["prompt"].to_string();
    assert!(texts.contains("a red fox under a full moon") && !texts.contains("{{"), "{texts}");
    let shipped: Value = serde_json::from_str(GRAPH).expect("JSON");
    let kinds = |graph: &Value| -> Vec<(String, String)> {
        let nodes = graph.as_object().expect("nodes").iter();
        nodes
            .map(|(id, node)| (id.clone(), node["class_type"].as_str().expect("a class").to_owned()))
            .collect()
    };
    assert_eq!(kinds(&sent["prompt"]), kinds(&shipped));
}

#[tokio::test]
async fn pictures_are_uploaded_and_named_in_the_graph() {
    let mut world = World::new().await;
    let mut job = job_at("provider", 1);
    job.operation = Operation::ImageToImage;
    job.settings = Settings::default();
    let graph = json!({ "1": { "class_type": "LoadImage", "inputs": { "image": "{{image}}" } } });
    job.deployment.options =
        std::sync::Arc::new(json!({ "graph": graph }).as_object().expect("options").clone());
    job.references = vec![kept(&world, &job, &picture(1)).await];
    let verdict = Trial::default().run_job::<ComfyUi>(&mut world, job).await;
    assert_eq!(ending(&verdict.manifest), "complete");
    let upload = &verdict.asked[0].1;
    assert_eq!(upload.part("image").expect("a file").body, picture(1));
    assert_eq!(verdict.asked[1].1.json()["prompt"]["1"]["inputs"]["image"], "imagioo/a.png");
}

#[tokio::test]
async fn every_end_but_a_good_one_is_a_failure() {
    let history = |status: Value| {
        let entry = json!({ "outputs": {}, "status": status });
        Reply::json(200, &json!({ ComfyUi::TASK.expect("a task"): entry }).to_string())
    };
    let failed = |kind: &str| {
        let exception = json!({ "exception_type": kind, "exception_message": "m", "node_type": "KSampler" });
        json!({ "status_str": "error", "messages": [["execution_error", exception]] })
    };
    let stopped = json!({ "status_str": "error", "messages": [["execution_interrupted", {}]] });
    let cases = [
        (history(failed("torch.OutOfMemoryError")), "failed:PROVIDER_REJECTED"),
        (history(failed("ValueError")), "failed:PROVIDER_REJECTED"),
        (history(failed("FileNotFoundError")), "retry:PROVIDER_UNAVAILABLE:no"),
        (history(stopped), "retry:PROVIDER_UNAVAILABLE:no"),
        (history(json!({ "status_str": "success" })), "retry:PROVIDER_FEWER_IMAGES:unknown"),
        (Reply::json(200, "{}"), "retry:PROVIDER_UNAVAILABLE:no"),
    ];
    for (reply, expected) in cases {
        let trial = Trial {
            fault: Some(Fault::always(Step::Poll, reply)),
            accepted_before: true,
            ..Trial::default()
        };
        assert_eq!(ending(&trial.run::<ComfyUi>().await.manifest), expected);
    }
}

/// A graph that cannot run on this server, whatever is put in, is the server's fault and shuts it; values that a node does
/// not take are the request's.
#[tokio::test]
async fn a_graph_that_the_server_cannot_run_is_told_from_values_that_it_does_not_take() {
    let nodes = |kind: &str| json!({ "3": { "errors": [{ "type": kind, "message": "m" }] } });
    let under_200 = |kind: &str| {
        let body = json!({ "prompt_id": "a", "number": 1, "node_errors": nodes(kind) });
        Reply::json(200, &body.to_string())
    };
    let under_400 = |kind: &str, node: &str| {
        let body = json!({ "error": { "type": kind, "message": "m" }, "node_errors": nodes(node) });
        Reply::json(400, &body.to_string())
    };
    let (broken, rejected) = ("retry:PROVIDER_UNAVAILABLE:no", "failed:PROVIDER_REJECTED");
    for (name, reply, expected) in [
        ("a missing model", under_200("value_not_in_list"), broken),
        ("a missing node", under_400("missing_node_type", ""), broken),
        ("a missing model, 400", under_400("prompt_outputs_failed_validation", "value_not_in_list"), broken),
        ("too many steps", under_400("prompt_outputs_failed_validation", "value_bigger_than_max"), rejected),
        ("a picture", under_200("custom_validation_failed"), rejected),
    ] {
        let trial = Trial { fault: Some(Fault::always(Step::Submit, reply)), ..Trial::default() };
        assert_eq!(ending(&trial.run::<ComfyUi>().await.manifest), expected, "{name}");
    }
}

#[tokio::test]
async fn a_call_is_waited_for_while_it_is_in_the_queue_and_while_it_runs() {
    let verdict = Trial::default().run::<ComfyUi>().await;
    assert_eq!(ending(&verdict.manifest), "complete");
    let polls = verdict.asked.iter().filter(|(step, _)| *step == Step::Poll);
    let paths: Vec<_> = polls.map(|(_, asked)| asked.path.split('/').nth(1).unwrap_or_default()).collect();
    assert_eq!(paths, ["queue", "queue", "queue", "history"]);
}

#[tokio::test]
async fn a_file_that_does_not_come_is_asked_for_again_and_one_that_is_gone_is_not() {
    for (reply, times, expected, views) in [
        (Reply::json(503, "{}"), 2, "complete", 3),
        (Reply::Reset, 2, "complete", 3),
        (Reply::json(404, "{}"), usize::MAX, "failed:PROVIDER_BAD_IMAGE", 1),
    ] {
        let fault = Fault { step: Step::Other, times, reply };
        let verdict = Trial { fault: Some(fault), ..Trial::default() }.run::<ComfyUi>().await;
        let counts = (verdict.count(Step::Submit), verdict.count(Step::Other));
        assert_eq!((ending(&verdict.manifest).as_str(), counts), (expected, (1, views)));
    }
}

/// A call that waits is taken out of the queue, one that runs is interrupted; nobody else's is.
#[tokio::test]
async fn a_call_that_takes_too_long_is_cancelled_there() {
    let task = ComfyUi::TASK.expect("a task");
    let entry = |id: &str| json!([1, id, {}, {}, []]);
    for (running, pending, path, body) in [
        ("another", task, "/queue", json!({ "delete": [task] })),
        (task, "another", "/interrupt", json!({ "prompt_id": task })),
    ] {
        let queue = json!({ "queue_running": [entry(running)], "queue_pending": [entry(pending)] });
        let trial = Trial {
            fault: Some(Fault::always(Step::Poll, Reply::json(200, &queue.to_string()))),
            call_timeout: std::time::Duration::from_millis(700),
            accepted_before: true,
            ..Trial::default()
        };
        let verdict = trial.run::<ComfyUi>().await;
        assert_eq!(ending(&verdict.manifest), "retry:PROVIDER_TIMEOUT:unknown");
        let last = &verdict.asked.last().expect("requests").1;
        assert_eq!((last.method.as_str(), last.path.as_str(), last.json()), ("POST", path, body));
    }
}

/// The operator's graph has no way for it; the result would be another.
#[tokio::test]
async fn a_setting_without_a_place_in_the_graph_is_refused_and_not_left_out() {
    let mut world = World::new().await;
    let mut job = prepared();
    job.settings.strength = Some(0.5);
    let verdict = Trial::default().run_job::<ComfyUi>(&mut world, job).await;
    assert_eq!((ending(&verdict.manifest).as_str(), verdict.asked.len()), ("failed:SETTING_UNSUPPORTED", 0));
}

/// The id is ours: a worker that takes over finds the call, although nobody noted it.
#[tokio::test]
async fn r42_a_call_whose_acceptance_was_lost_is_found_by_its_key() {
    let mut world = World::new().await;
    let verdict =
        Trial::default().run_job::<ComfyUi>(&mut world, taken_over(&prepared(), &[(0, None)])).await;
    assert_eq!((ending(&verdict.manifest).as_str(), verdict.count(Step::Submit)), ("complete", 0));
}
