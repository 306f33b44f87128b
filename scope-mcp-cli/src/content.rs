//! What a tool gave back, a resource has, or a prompt says, for people.

use scope_mcp::model::{CallToolResult, ContentBlock, ContentKind, GetPromptResult, ReadResourceResult};
use serde_json::Value;

use crate::sanitize;

/// All of the content, fit for a terminal; without a newline at the end.
pub(crate) fn show(result: &CallToolResult) -> String {
    let blocks: Vec<String> = result.content.iter().map(block).collect();
    match &result.structured_content {
        // Servers are asked to put the same into the content, for clients that know of nothing else.
        Some(structured) if blocks.is_empty() => json(structured),
        _ => blocks.join("\n"),
    }
}

/// All contents of a resource, likewise; each under its address, if there are several.
pub(crate) fn of_resource(result: &ReadResourceResult) -> String {
    let several = result.contents.len() > 1;
    let contents = result.contents.iter().map(|it| {
        let uri = sanitize::short(&it.uri, 200);
        let shown = match &it.text {
            Some(text) => lines(text),
            None => {
                let kind =
                    it.mime_type.as_ref().map_or_else(String::new, |kind| format!(", {}", sanitize::short(kind, 200)));
                format!("[{uri}{kind}, {}; -o FILE saves them]", size(it.blob.as_deref().unwrap_or_default()))
            }
        };
        if several && it.text.is_some() { format!("[{uri}]\n{shown}") } else { shown }
    });
    contents.collect::<Vec<_>>().join("\n")
}

/// All messages of a prompt, each under who says it.
pub(crate) fn of_prompt(result: &GetPromptResult) -> String {
    let messages = result.messages.iter().map(|message| {
        let who = message.role.as_str();
        format!("{who}:\n{}", block(&message.content))
    });
    messages.collect::<Vec<_>>().join("\n\n")
}

fn block(block: &ContentBlock) -> String {
    let line = |text: &str| sanitize::short(text, 200);
    match block.kind() {
        ContentKind::Text(text) => lines(text),
        ContentKind::Image { data, mime_type } => {
            format!("[image, {}, {}]", line(mime_type), encoded(data))
        }
        ContentKind::Audio { data, mime_type } => {
            format!("[audio, {}, {}]", line(mime_type), encoded(data))
        }
        ContentKind::ResourceLink { uri, name } => format!("[link to {}, {}]", line(name), line(uri)),
        ContentKind::Resource { text: Some(text), .. } => lines(text),
        ContentKind::Resource { uri, mime_type, blob, .. } => {
            let kind = mime_type.map_or_else(String::new, |kind| format!(", {}", line(kind)));
            format!("[resource {}{kind}, {}]", line(uri), encoded(blob.unwrap_or_default()))
        }
        _ => sanitize::json(&Value::Object(block.as_object().clone()).to_string()).into_owned(),
    }
}

fn lines(text: &str) -> String {
    let text = sanitize::text(text);
    text.strip_suffix('\n').map(str::to_owned).unwrap_or(text)
}

fn json(value: &Value) -> String {
    sanitize::json(&format!("{value:#}")).into_owned()
}

fn encoded(data: &str) -> String {
    format!("{}; --json prints them", size(data))
}

/// Every four characters of base64 stand for three bytes, but for the padding.
fn size(data: &str) -> String {
    let bytes = data.trim_end_matches('=').len() * 3 / 4;
    format!("{bytes} bytes")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn shown(result: Value) -> String {
        show(&serde_json::from_value(result).unwrap())
    }

    #[test]
    fn every_kind_of_content_is_shown() {
        let result = json!({"content": [
            {"type": "text", "text": "one\ntwo\u{1b}[2J\n"},
            {"type": "image", "data": "aGVsbG8=", "mimeType": "image/png\n"},
            {"type": "audio", "data": "", "mimeType": "audio/ogg"},
            {"type": "resource_link", "uri": "file:///a", "name": "a\u{202e}"},
            {"type": "resource", "resource": {"uri": "file:///b", "text": "inside"}},
            {"type": "resource", "resource": {"uri": "file:///c", "blob": "AAAA", "mimeType": "x/y"}},
            {"type": "new", "x": "\u{9b}"},
        ]});
        assert_eq!(
            shown(result),
            "one\ntwo\\x1b[2J\n[image, image/png\\n, 5 bytes; --json prints them]\n[audio, audio/ogg, 0 bytes; --json \
             prints them]\n[link to a\\u{202e}, file:///a]\ninside\n[resource file:///c, x/y, 3 bytes; --json prints \
             them]\n{\"type\":\"new\",\"x\":\"\\u009b\"}"
        );
    }

    #[test]
    fn contents_of_a_resource_are_shown() {
        let shown = |contents: Value| of_resource(&serde_json::from_value(json!({ "contents": contents })).unwrap());
        assert_eq!(shown(json!([{ "uri": "x:a", "text": "one\u{1b}\ntwo\n" }])), "one\\x1b\ntwo");
        assert_eq!(
            shown(json!([{ "uri": "x:a", "text": "one" }, { "uri": "x:\u{9b}b", "blob": "AAAA", "mimeType": "i/p" }])),
            "[x:a]\none\n[x:\\u{9b}b, i/p, 3 bytes; -o FILE saves them]"
        );
        assert_eq!(shown(json!([])), "");
    }

    #[test]
    fn messages_of_a_prompt_are_shown() {
        let result = json!({ "messages": [
            { "role": "user", "content": { "type": "text", "text": "What is it?\u{7}" } },
            { "role": "assistant", "content": { "type": "image", "data": "AAAA", "mimeType": "image/png" } },
        ]});
        let shown = of_prompt(&serde_json::from_value(result).unwrap());
        assert_eq!(shown, "user:\nWhat is it?\\x07\n\nassistant:\n[image, image/png, 3 bytes; --json prints them]");
    }

    #[test]
    fn a_structured_result_is_shown_where_there_is_nothing_else() {
        assert_eq!(shown(json!({"content": [], "structuredContent": {"a": 1}})), "{\n  \"a\": 1\n}");
        let both = json!({"content": [{"type": "text", "text": "x"}], "structuredContent": {"a": 1}});
        assert_eq!(shown(both), "x");
        assert_eq!(shown(json!({"content": []})), "");
    }
}
