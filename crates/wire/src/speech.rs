//! Speech by OpenAI's route from Gemini's models, which are asked for sound in a chat and answer with bare samples.
//!
//! | meaning | openai | gemini |
//! |---|---|---|
//! | the text | `input` | `contents[].parts[].text` |
//! | who speaks | `voice` | `speechConfig.voiceConfig.prebuiltVoiceConfig.voiceName` |
//! | the same in Google's words | `speechConfig` | `speechConfig` |
//! | the form | `response_format`: `wav` (also where nothing is said), `pcm` | 16 bits a sample, its rate in the type |

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use serde_json::value::RawValue;

use crate::chat::{Media, MediaSource, PartBody};
use crate::dialect::Dialect;
use crate::fields::Fields;
use crate::gemini;
use crate::half::Memo;
use crate::json;
use crate::loss::Losses;
use crate::problem::{Fault, Malformed, Unsupported};
use crate::reply::{Reason, Usage};
use crate::wave;

/// What provider rows call this form.
pub const SHAPE: &str = "gemini";

/// The form speech is wanted in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// Samples with a head that tells what they are.
    #[default]
    Wav,
    /// The samples alone.
    Pcm,
}

/// One request for speech.
#[derive(Clone, Debug, Default)]
pub struct SpeechRequest {
    /// What is to be said.
    pub text: String,
    /// By whom.
    pub voice: Option<String>,
    /// The same and more in Google's words.
    pub config: Option<Box<RawValue>>,
    /// In what form.
    pub format: Option<String>,
    /// Fields that mean nothing elsewhere.
    pub others: Vec<String>,
}

/// What was said.
#[derive(Clone, Debug, Default)]
pub struct Spoken {
    /// The sound.
    pub sound: Bytes,
    /// What it is.
    pub media_type: String,
    /// Why there is none.
    pub told: String,
    /// Whether a filter kept it back.
    pub filtered: bool,
    /// What it took.
    pub usage: Option<Usage>,
}

/// Reads a client's request.
pub fn read_request(body: &[u8]) -> Result<SpeechRequest, Malformed> {
    let mut fields = Fields::scan(body)?;
    fields.take_raw("model");
    let voice = fields.take_raw("voice");
    let named = voice.and_then(|voice| serde_json::from_str::<String>(voice.get()).ok());
    let request = SpeechRequest {
        text: fields.require("input")?,
        format: fields.take("response_format")?,
        config: fields.take_raw("speechConfig").or_else(|| fields.take_raw("speech_config")).map(ToOwned::to_owned),
        ..SpeechRequest::default()
    };
    let unnamed = voice.filter(|voice| named.is_none() && voice.get() != "null").map(|_| "voice".to_owned());
    if fields.peek_raw("stream_format").is_some_and(|format| format.get() == "\"audio\"") {
        fields.take_raw("stream_format");
    }
    let others = fields.rest(Dialect::OpenAiChat).fields().iter().map(|(key, _)| key.clone()).chain(unnamed).collect();
    Ok(SpeechRequest { voice: named, others, ..request })
}

/// The form that is wanted; a refusal, where Gemini's models have no such.
pub fn format(request: &SpeechRequest) -> Result<Format, Unsupported> {
    match request.format.as_deref() {
        None | Some("wav") => Ok(Format::Wav),
        Some("pcm") => Ok(Format::Pcm),
        Some(other) => {
            let why = format!("its models give bare samples; `{other}` is none of pcm, wav");
            Err(Unsupported::new("response_format", Dialect::Gemini, why))
        }
    }
}

/// Writes the request for Gemini.
pub fn write_request(request: &SpeechRequest) -> Result<(Bytes, Losses), Unsupported> {
    format(request)?;
    if request.others.iter().any(|field| field == "stream_format") {
        return Err(Unsupported::new("stream_format", Dialect::Gemini, "speech comes whole"));
    }
    let mut losses = Losses::new();
    request.others.iter().for_each(|field| losses.dropped(field.clone()));
    let body = json::object(|out| {
        out.array("contents", |turns| {
            turns.object(|turn| {
                turn.text("role", "user");
                turn.array("parts", |parts| parts.object(|part| part.text("text", &request.text)));
            });
        });
        out.object("generationConfig", |out| {
            out.field("responseModalities", &["AUDIO"]);
            match (&request.config, &request.voice) {
                (Some(config), _) => out.raw("speechConfig", config.get()),
                (None, Some(voice)) => out.object("speechConfig", |out| {
                    out.object("voiceConfig", |out| out.object("prebuiltVoiceConfig", |out| out.text("voiceName", voice)));
                }),
                (None, None) => {}
            }
        });
    });
    Ok((Bytes::from(body), losses))
}

/// Reads Gemini's answer as sound in that form.
pub fn read_reply(body: &[u8], format: Format) -> Result<Spoken, Fault> {
    let reply = gemini::read_whole(&Memo::default(), body)?;
    let mut spoken = Spoken { filtered: reply.finish.reason == Reason::ContentFilter, ..Spoken::default() };
    let mut samples = Vec::new();
    for part in reply.parts {
        match part.body {
            PartBody::Audio(Media { source: MediaSource::Base64(data), media_type, .. }) => {
                let bytes = BASE64_STANDARD.decode(data).map_err(|_| Fault::protocol("the sound is not base64"))?;
                samples.extend_from_slice(&bytes);
                spoken.media_type = media_type.unwrap_or_default();
            }
            PartBody::Text { text, .. } => spoken.told.push_str(&text),
            _ => {}
        }
    }
    if spoken.told.is_empty() {
        spoken.told = reply.finish.raw.unwrap_or_default();
    }
    spoken.usage = reply.usage.map(|usage| match (usage.output_audio, usage.output_text) {
        (None, None) => Usage { output_audio: usage.output, ..usage },
        _ => usage,
    });
    if wave::is_samples(&spoken.media_type) {
        (samples, spoken.media_type) = match format {
            Format::Pcm => (samples, "audio/pcm".to_owned()),
            Format::Wav => (wave::of(&samples, &spoken.media_type), wave::TYPE.to_owned()),
        };
    }
    spoken.sound = samples.into();
    Ok(spoken)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(kind: &str, data: &[u8]) -> String {
        format!(
            r#"{{"candidates":[{{"content":{{"role":"model","parts":[{{"inlineData":{{"mimeType":"{kind}","data":"{}"}}}}]}},"finishReason":"STOP"}}],
            "usageMetadata":{{"promptTokenCount":4,"candidatesTokenCount":30,"totalTokenCount":34}}}}"#,
            BASE64_STANDARD.encode(data)
        )
    }

    #[test]
    fn samples_become_a_file_or_stay_what_they_are() {
        let samples = [1_u8, 2, 3, 4];
        let body = answer("audio/L16;codec=pcm;rate=16000", &samples);
        let bare = read_reply(body.as_bytes(), Format::Pcm).expect("an answer");
        assert_eq!((&*bare.sound, &*bare.media_type), (&samples[..], "audio/pcm"));
        assert_eq!(bare.usage.and_then(|usage| usage.output_audio), Some(30));
        let file = read_reply(body.as_bytes(), Format::Wav).expect("an answer");
        assert_eq!(
            (file.sound.len(), &file.sound[..4], &file.sound[8..12], &*file.media_type),
            (48, &b"RIFF"[..], &b"WAVE"[..], "audio/wav")
        );
        assert_eq!(u32::from_le_bytes(file.sound[24..28].try_into().expect("four")), 16_000);
        assert_eq!(&file.sound[44..], samples);
        let other = read_reply(answer("audio/mpeg", &samples).as_bytes(), Format::Wav).expect("an answer");
        assert_eq!((&*other.sound, &*other.media_type), (&samples[..], "audio/mpeg"));
    }

    #[test]
    fn what_it_has_no_word_for_is_told() {
        let read = |body: &str| read_request(body.as_bytes()).expect("a request");
        let plain = read(r#"{"model":"m","input":"Hello.","voice":"Kore","speed":2,"response_format":"wav"}"#);
        let (body, losses) = write_request(&plain).expect("written");
        let wanted = r#"{"contents":[{"role":"user","parts":[{"text":"Hello."}]}],"generationConfig":{"responseModalities":["AUDIO"],"speechConfig":{"voiceConfig":{"prebuiltVoiceConfig":{"voiceName":"Kore"}}}}}"#;
        assert_eq!((std::str::from_utf8(&body).expect("text"), losses.to_string()), (wanted, "speed".to_owned()));
        assert!(write_request(&read(r#"{"input":"a","response_format":"mp3"}"#)).is_err());
    }
}
