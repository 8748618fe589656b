//! What the server remembers of a call.

use serde::Deserialize;
use serde_json::Value;

use super::fault;

/// How a call ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum End {
    /// With these files.
    Done(Vec<File>),
    /// The graph does not work with what the call put in.
    Failed,
    /// The server cannot run the graph at all.
    Broken,
    /// Somebody stopped it there.
    Interrupted,
    /// The server knows nothing of it: it was started anew.
    Forgotten,
}

/// A file that a node saved.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct File {
    pub(super) filename: String,
    #[serde(default)]
    pub(super) subfolder: String,
    #[serde(rename = "type")]
    pub(super) kind: String,
}

/// The end of a call, if the history has it. Files that are only shown on the way are left out; nodes come in the order of
/// their ids.
pub(super) fn end(history: &Value, id: &str) -> Option<End> {
    let entry = history.get(id)?;
    let status = entry.get("status");
    let messages = status.and_then(|status| status.get("messages")).and_then(Value::as_array);
    let said = |kind: &str| {
        let is_it = |message: &&Value| message.get(0).and_then(Value::as_str) == Some(kind);
        messages.and_then(|messages| messages.iter().find(is_it))
    };
    if said("execution_interrupted").is_some() {
        return Some(End::Interrupted);
    }
    if status.and_then(|status| status.get("status_str")).and_then(Value::as_str) == Some("error") {
        let exception = said("execution_error").and_then(|message| message.get(1));
        let is_broken = exception.is_some_and(fault::is_of_the_server);
        return Some(if is_broken { End::Broken } else { End::Failed });
    }
    let outputs = entry.get("outputs").and_then(Value::as_object);
    let images = outputs.into_iter().flatten().filter_map(|(_, output)| output.get("images")?.as_array());
    let files = images.flatten().filter_map(|image| serde_json::from_value::<File>(image.clone()).ok());
    Some(End::Done(files.filter(|file| file.kind == "output").collect()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_end_is_told_from_the_others() {
        let entry = |status: Value| json!({ "a": { "outputs": {}, "status": status } });
        assert_eq!(end(&json!({}), "a"), None);
        let error =
            json!({ "status_str": "error", "completed": false, "messages": [["execution_error", {}]] });
        assert_eq!(end(&entry(error), "a"), Some(End::Failed));
        let lacking = json!({ "status_str": "error", "completed": false,
            "messages": [["execution_error", { "exception_type": "FileNotFoundError" }]] });
        assert_eq!(end(&entry(lacking), "a"), Some(End::Broken));
        let stopped =
            json!({ "status_str": "error", "completed": false, "messages": [["execution_interrupted", {}]] });
        assert_eq!(end(&entry(stopped), "a"), Some(End::Interrupted));
        let done = json!({ "a": { "status": { "status_str": "success" }, "outputs": {
            "9": { "images": [{ "filename": "b.png", "subfolder": "", "type": "output" }] },
            "12": { "images": [{ "filename": "t.png", "subfolder": "", "type": "temp" }] } } } });
        let file = File { filename: "b.png".into(), subfolder: String::new(), kind: "output".into() };
        assert_eq!(end(&done, "a"), Some(End::Done(vec![file])));
    }
}
