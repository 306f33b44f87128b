//! What a tool gave back, for people.

use scope_mcp::model::{CallToolResult, ContentBlock, ContentKind};
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

/// Every four characters of base64 stand for three bytes, but for the padding.
fn encoded(data: &str) -> String {
    let bytes = data.trim_end_matches('=').len() * 3 / 4;
    format!("{bytes} bytes; --json prints them")
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
    fn a_structured_result_is_shown_where_there_is_nothing_else() {
        assert_eq!(shown(json!({"content": [], "structuredContent": {"a": 1}})), "{\n  \"a\": 1\n}");
        let both = json!({"content": [{"type": "text", "text": "x"}], "structuredContent": {"a": 1}});
        assert_eq!(shown(both), "x");
        assert_eq!(shown(json!({"content": []})), "");
    }
}
