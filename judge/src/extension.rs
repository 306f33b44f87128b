//! The extension for tasks of the revision 2026-07-28: its types, in our words, because its schema is published apart
//! from that of the revision.

use serde_json::{Map, Value, json};

/// A message that the extension adds.
pub(crate) struct Added {
    /// Which messages it is added to.
    pub(crate) union: &'static str,
    pub(crate) type_name: &'static str,
}

pub(crate) const METHODS: [Added; 4] = [
    Added { union: "ClientRequest", type_name: "GetTaskRequest" },
    Added { union: "ClientRequest", type_name: "UpdateTaskRequest" },
    Added { union: "ClientRequest", type_name: "CancelTaskRequest" },
    Added { union: "ServerNotification", type_name: "TaskStatusNotification" },
];

/// The `resultType` that may stand in for the result of `tools/call`, and its type.
pub(crate) const TASK_INSTEAD: (&str, &str, &str) = ("tools/call", "task", "CreateTaskResult");

/// Its types, as they would stand among those of the revision.
pub(crate) fn tasks() -> Map<String, Value> {
    let text = json!({ "type": "string" });
    let milliseconds = json!({ "type": "integer", "minimum": 0 });
    let task = json!({
        "type": "object",
        "required": ["taskId", "status", "createdAt", "lastUpdatedAt", "ttlMs"],
        "properties": {
            "taskId": text,
            "status": { "enum": ["working", "input_required", "completed", "failed", "cancelled"] },
            "statusMessage": text,
            "createdAt": text,
            "lastUpdatedAt": text,
            "ttlMs": { "anyOf": [milliseconds, { "type": "null" }] },
            "pollIntervalMs": milliseconds,
            // The names of the older form.
            "ttl": false,
            "pollInterval": false,
        },
    });
    // What else is there depends on the status.
    let with = |status: &str, field: &str, schema: Value| {
        json!({
            "if": { "properties": { "status": { "const": status } } },
            "then": { "required": [field], "properties": { field: schema } },
            "else": { "properties": { field: false } },
        })
    };
    let detailed = json!({ "allOf": [
        { "$ref": "#/$defs/Task" },
        with("input_required", "inputRequests", json!({ "$ref": "#/$defs/InputRequests" })),
        with("completed", "result", json!({ "type": "object" })),
        with("failed", "error", json!({ "$ref": "#/$defs/Error" })),
    ] });
    let result = |kind: &str| json!({ "allOf": [{ "$ref": "#/$defs/Result" }, { "properties": { "resultType": { "const": kind } } }] });
    let request = |method: &str, more: Value| {
        json!({
            "type": "object",
            "required": ["jsonrpc", "id", "method", "params"],
            "properties": {
                "jsonrpc": { "const": "2.0" },
                "id": { "$ref": "#/$defs/RequestId" },
                "method": { "const": method },
                "params": { "allOf": [
                    { "$ref": "#/$defs/RequestParams" },
                    { "required": ["taskId"], "properties": { "taskId": text } },
                    more,
                ] },
            },
        })
    };
    let responses = json!({
        "required": ["inputResponses"],
        "properties": { "inputResponses": { "$ref": "#/$defs/InputResponses" } },
    });
    let notification = json!({
        "type": "object",
        "required": ["jsonrpc", "method", "params"],
        "properties": {
            "jsonrpc": { "const": "2.0" },
            "method": { "const": "notifications/tasks" },
            "params": { "allOf": [{ "$ref": "#/$defs/NotificationParams" }, { "$ref": "#/$defs/DetailedTask" }] },
        },
    });
    Map::from_iter([
        ("Task".to_owned(), task),
        ("DetailedTask".to_owned(), detailed.clone()),
        ("CreateTaskResult".to_owned(), json!({ "allOf": [result("task"), { "$ref": "#/$defs/Task" }] })),
        ("GetTaskRequest".to_owned(), request("tasks/get", json!({}))),
        ("GetTaskResult".to_owned(), json!({ "allOf": [result("complete"), detailed] })),
        ("UpdateTaskRequest".to_owned(), request("tasks/update", responses)),
        ("UpdateTaskResult".to_owned(), result("complete")),
        ("CancelTaskRequest".to_owned(), request("tasks/cancel", json!({}))),
        ("CancelTaskResult".to_owned(), result("complete")),
        ("TaskStatusNotification".to_owned(), notification),
    ])
}
