//! How texts were read when a direction was found, as its file says it.

use truenorth::artifact::DirectionMetadata;
use truenorth_protocol::ReadAt;

use super::super::output::wrong_hint;

/// Which tokens are read: as asked, else as the file says, else the last.
pub fn positions(asked: Option<ReadAt>, file: Option<&DirectionMetadata>) -> anyhow::Result<ReadAt> {
    match (asked, file.and_then(|m| m.positions.as_ref())) {
        (Some(at), _) => Ok(at),
        // Files of before means left sinks out do not say how many.
        (None, Some(text)) if text == "mean" && !file.is_some_and(|m| m.extra.contains_key("left_out")) => {
            Ok(ReadAt::MeanSink)
        }
        (None, Some(text)) => text.parse().map_err(|e| {
            wrong_hint(format!("the direction's file names positions `{text}`: {e}"), "say --positions")
        }),
        (None, None) => Ok(ReadAt::Last),
    }
}
