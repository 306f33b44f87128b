//! Content of kinds that the client's revision does not have. Its text stands in for it: a client of then that checks what
//! it gets would refuse the whole result.

use std::borrow::Cow;

use crate::Revision;
use crate::model::{ContentBlock, ContentKind, CreateMessageParams, GetPromptResult, SamplingMessage};

/// The first revision that has all kinds there are.
pub(super) const ALL_CONTENT: Revision = Revision::V2025_06_18;

/// `block`, as `revision` can say it.
pub(super) fn content(block: ContentBlock, revision: Revision) -> ContentBlock {
    let text = match block.kind() {
        ContentKind::Audio { mime_type, .. } if revision < Revision::V2025_03_26 => {
            format!("[sound, {mime_type}; this client speaks revision {revision}, which has none]")
        }
        ContentKind::ResourceLink { uri, name } if revision < Revision::V2025_06_18 => format!("{name}: {uri}"),
        _ => return block,
    };
    let annotations = block.into_object().shift_remove("annotations");
    let text = ContentBlock::text(text);
    match annotations {
        Some(annotations) => text.with("annotations", annotations),
        None => text,
    }
}

/// A prompt, as `revision` can say it.
pub(super) fn prompt(mut result: GetPromptResult, revision: Revision) -> GetPromptResult {
    for message in &mut result.messages {
        let block = std::mem::replace(&mut message.content, ContentBlock::text(""));
        message.content = content(block, revision);
    }
    result
}

/// A question to a model, as `revision` can say it: before 2025-11-25 each block is a message by itself.
pub(super) fn sampling(params: &CreateMessageParams, revision: Revision) -> Cow<'_, CreateMessageParams> {
    if revision >= Revision::V2025_11_25 {
        return Cow::Borrowed(params);
    }
    let blocks = |message: &SamplingMessage| {
        let alone = |block: &ContentBlock| SamplingMessage {
            content: content(block.clone(), revision).into(),
            ..message.clone()
        };
        message.content.blocks().iter().map(alone).collect::<Vec<_>>()
    };
    Cow::Owned(CreateMessageParams { messages: params.messages.iter().flat_map(blocks).collect(), ..params.clone() })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::model::{Annotations, PromptMessage, Resource, Role};

    #[test]
    fn what_a_revision_has_is_left_alone_and_what_it_has_not_becomes_text() {
        let audio = || ContentBlock::audio("AA==", "audio/wav");
        let link = || ContentBlock::resource_link(Resource::new("file:///a", "a"));
        for revision in Revision::ALL {
            assert_eq!(content(link(), revision) == link(), revision >= ALL_CONTENT);
            for block in [ContentBlock::text("a"), ContentBlock::image("AA==", "image/png")] {
                assert_eq!(content(block.clone(), revision), block);
            }
            let kept = |block: ContentBlock| content(block.clone(), revision) == block;
            assert_eq!(kept(audio()), revision >= Revision::V2025_03_26, "{revision}");
            assert_eq!(kept(link()), revision >= Revision::V2025_06_18, "{revision}");
        }
        let marked = link().annotations(&Annotations::new().priority(1.0));
        assert_eq!(
            serde_json::to_value(content(marked, Revision::V2025_03_26)).unwrap(),
            json!({ "type": "text", "text": "a: file:///a", "annotations": { "priority": 1 } })
        );
        let said = prompt(PromptMessage::new(Role::User, audio()).into(), Revision::V2024_11_05);
        assert!(matches!(said.messages[0].content.kind(), ContentKind::Text(text) if text.contains("audio/wav")));
    }
    #[test]
    fn several_blocks_of_a_message_become_several_messages() {
        let several = vec![ContentBlock::text("a"), ContentBlock::audio("AA==", "audio/wav")];
        let messages = [SamplingMessage::new(Role::User, several), SamplingMessage::assistant("b")];
        let params = CreateMessageParams::new(messages, 5).system_prompt("s");
        assert_eq!(*sampling(&params, Revision::V2025_11_25), params);
        let old = sampling(&params, Revision::V2024_11_05).into_owned();
        assert_eq!((old.messages.len(), old.max_tokens, old.system_prompt.as_deref()), (3, 5, Some("s")));
        let kinds: Vec<_> = old.messages.iter().map(|it| (it.role, it.content.blocks()[0].kind())).collect();
        assert!(matches!(
            kinds[..],
            [(Role::User, ContentKind::Text("a")), (Role::User, ContentKind::Text(_)), (Role::Assistant, _)]
        ));
    }
}
