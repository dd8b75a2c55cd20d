use super::*;
use crate::chat::{Message, Role, ToolResult};
use crate::dialect::Dialect;

const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR";

#[test]
fn bytes_are_believed_before_words() {
    let of = |medium, bytes, told, served| type_of(medium, bytes, told, served);
    assert_eq!(of(Medium::Image, PNG, None, Some("image/jpeg")), Ok("image/png".to_owned()));
    assert_eq!(of(Medium::Image, b"RIFF\0\0\0\0WEBPVP8 ", None, None), Ok("image/webp".to_owned()));
    assert_eq!(of(Medium::Image, b"<html>not found</html>", None, Some("text/html; charset=utf-8")), Err("text/html".to_owned()));
    assert_eq!(of(Medium::Image, b"<html>", None, Some("image/png")), Err("image/png".to_owned()));
    assert_eq!(of(Medium::Image, b"%PDF-1.7", None, Some("image/png")), Err("application/pdf".to_owned()));
    assert_eq!(of(Medium::Document, b"%PDF-1.7", None, Some("binary/octet-stream")), Ok("application/pdf".to_owned()));
    assert_eq!(of(Medium::Document, b"<html>", Some("application/pdf"), Some("text/html")), Err("text/html".to_owned()));
    assert_eq!(of(Medium::Document, b"<html>", None, Some("application/pdf")), Err("of an unknown type".to_owned()));
    assert_eq!(of(Medium::Document, PNG, Some("application/pdf"), None), Err("image/png".to_owned()));
    assert_eq!(of(Medium::Document, b"a,b\n1,2", None, Some("text/csv; charset=utf-8")), Ok("text/csv".to_owned()));
    assert_eq!(of(Medium::Document, b"BMW,1", None, Some("text/csv")), Ok("text/csv".to_owned()));
    assert_eq!(of(Medium::Document, b"a", None, None), Err("of an unknown type".to_owned()));
    let word = "application/vnd.openxmlformats-officedocument.wordprocessingml.document";
    assert_eq!(of(Medium::Document, b"PK\x03\x04..", None, Some(word)), Ok(word.to_owned()));
    assert_eq!(of(Medium::Audio, b"\xff\xfb\x90\x64", None, Some("application/octet-stream")), Ok("audio/mp3".to_owned()));
    assert_eq!(of(Medium::Audio, b"RIFF\0\0\0\0WAVEfmt ", None, None), Ok("audio/wav".to_owned()));
    assert_eq!(of(Medium::Audio, b"\0\0\0\x1cftypisom", None, None), Ok("audio/mp4".to_owned()));
    assert_eq!(of(Medium::Video, b"\0\0\0\x1cftypisom", None, None), Ok("video/mp4".to_owned()));
    assert_eq!(of(Medium::Audio, b"\xff\xd8\xff\xe0", None, None), Err("image/jpeg".to_owned()));
    assert_eq!(of(Medium::Image, b"", None, Some("image/png")), Err("image/png".to_owned()));
}

fn media(url: &str) -> Media {
    Media::new(MediaSource::Url(url.to_owned()), None)
}

fn wanted(dialect: Dialect, only_bytes: bool, parts: Vec<Part>) -> Vec<(Medium, String)> {
    let mut request = ChatRequest { messages: vec![Message::new(Role::User, parts)], ..ChatRequest::default() };
    let mut found = Vec::new();
    each_wanted(&mut request, Taker { outbound: dialect.outbound().expect("an outbound half"), only_bytes }, &mut |medium, media| {
        let MediaSource::Url(url) = &media.source else { panic!("no URL") };
        found.push((medium, url.clone()));
    });
    found
}

#[test]
fn only_what_the_target_does_not_look_up_is_wanted() {
    let parts = || {
        let image = Part::new(PartBody::Image(media("https://x.test/a.png")));
        let result = ToolResult { call: "c".to_owned(), parts: vec![image.clone()], ..ToolResult::default() };
        vec![
            image,
            Part::new(PartBody::File(media("HTTPS://x.test/a.pdf"))),
            Part::new(PartBody::Audio(media("https://x.test/a.mp3"))),
            Part::new(PartBody::Image(media("s3://bucket/a.png"))),
            Part::new(PartBody::Image(media("data:image/png;base64,AAAA"))),
            Part::new(PartBody::Video(media("https://www.youtube.com/watch?v=abcdefghijk"))),
            Part::new(PartBody::ToolResult(result)),
        ]
    };
    let kinds = |dialect| wanted(dialect, false, parts()).into_iter().map(|(medium, _)| medium).collect::<Vec<_>>();
    use Medium::{Audio, Document, Image, Video};
    assert_eq!(kinds(Dialect::Bedrock), [Image, Document, Audio, Video, Image]);
    assert_eq!(kinds(Dialect::Gemini), [Image, Document, Audio, Image]);
    assert_eq!(kinds(Dialect::Ollama), [Image, Image]);
    assert_eq!(kinds(Dialect::OpenAiChat), [Document, Audio]);
    assert_eq!(kinds(Dialect::OpenAiResponses), [Audio]);
    assert_eq!(kinds(Dialect::Anthropic), []);
    assert_eq!(kinds(Dialect::Cohere), []);
    assert_eq!(kinds(Dialect::Replicate), []);
    assert_eq!(wanted(Dialect::Anthropic, true, parts()).len(), 5, "whatever stands at a web address");
}
