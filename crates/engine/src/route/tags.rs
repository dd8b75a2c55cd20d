//! Routing by tags: LiteLLM's rule.

use serde::Deserialize;
use switchboard_wire::control::is_steering;

use crate::call::{Call, Content};
use crate::route::settings::TagRule;
use crate::route::traits::Traits;

/// The header that carries tags, separated by commas.
const HEADER: &str = "x-litellm-tags";
/// The tag of deployments that serve whoever has no tag of another.
const DEFAULT: &str = "default";

/// What a request's tags ask for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Tags {
    wanted: Vec<String>,
    required: Vec<String>,
    excluded: Vec<String>,
}

#[derive(Deserialize)]
struct Metadata {
    tags: Option<Vec<String>>,
}

impl Tags {
    /// The tags of a request: of its metadata, its body, its headers, and of its key.
    pub(super) fn of(call: &Call, rule: &TagRule) -> Self {
        let mut tags = Self::default();
        if let Content::Json(outline) = &call.content {
            // Labels of other makers may be of any shape; only tags that are tags count.
            for key in ["metadata", "litellm_metadata"] {
                let metadata: Option<Metadata> = outline.read(&call.body, key).ok().flatten();
                metadata.and_then(|metadata| metadata.tags).into_iter().flatten().for_each(|tag| tags.add(&tag, rule));
            }
            if is_steering(call.door.dialect, "tags") {
                let own: Option<Vec<String>> = outline.read(&call.body, "tags").ok().flatten();
                own.into_iter().flatten().for_each(|tag| tags.add(&tag, rule));
            }
        }
        let header = call.headers.get(HEADER).and_then(|value| value.to_str().ok()).unwrap_or_default();
        header.split(',').for_each(|tag| tags.add(tag, rule));
        call.principal.tags.iter().for_each(|tag| tags.add(tag, rule));
        tags
    }

    fn add(&mut self, tag: &str, rule: &TagRule) {
        let tag = tag.trim();
        let (list, tag) = match tag.chars().next() {
            Some('!') => (&mut self.excluded, &tag[1..]),
            Some('&') => (&mut self.required, &tag[1..]),
            _ => (&mut self.wanted, tag),
        };
        let is_ours = rule.prefix.as_deref().is_none_or(|prefix| tag.starts_with(prefix));
        if !tag.is_empty() && is_ours && !list.iter().any(|known| known == tag) {
            list.push(tag.to_owned());
        }
    }

    /// Which of those deployments may serve; by their places. Those that match, else the default ones; without any tag, those
    /// without a tag of others' too.
    pub(super) fn choose(&self, traits: &[&Traits], rule: &TagRule, agent: Option<&str>) -> Vec<bool> {
        let refused = |one: &Traits| {
            self.excluded.iter().any(|tag| one.tags.contains(tag)) || !self.required.iter().all(|tag| one.tags.contains(tag))
        };
        let is_default = |one: &Traits| one.tags.iter().any(|tag| tag == DEFAULT);
        let by_agent = |one: &Traits| agent.is_some_and(|agent| one.tag_regex.iter().any(|pattern| pattern.0.is_match(agent)));
        let matches = |one: &Traits| {
            let mut wanted = self.wanted.iter();
            let named = match rule.match_any {
                true => wanted.any(|tag| one.tags.contains(tag)),
                false => !self.wanted.is_empty() && wanted.all(|tag| one.tags.contains(tag)),
            };
            named || self.wanted.is_empty() && !self.required.is_empty() || by_agent(one)
        };
        let fits = |test: &dyn Fn(&Traits) -> bool| traits.iter().map(|one| !refused(one) && test(one)).collect::<Vec<_>>();
        let matching = fits(&matches);
        if matching.contains(&true) {
            return matching;
        }
        let defaults = fits(&is_default);
        if defaults.contains(&true) || !self.wanted.is_empty() || !self.required.is_empty() {
            return defaults;
        }
        fits(&|_| true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::route::traits::Pattern;

    fn tagged(tags: &[&str]) -> Traits {
        Traits { tags: tags.iter().map(|tag| (*tag).to_owned()).collect(), ..Traits::default() }
    }

    fn tags(list: &str, rule: &TagRule) -> Tags {
        let mut tags = Tags::default();
        list.split(',').for_each(|tag| tags.add(tag, rule));
        tags
    }

    #[test]
    fn requests_go_to_what_their_tags_allow() {
        let mut by_agent = tagged(&["cli"]);
        by_agent.tag_regex.push(Pattern(regex::Regex::new("^claude-cli/").expect("a pattern")));
        let all = [tagged(&["free", "eu"]), tagged(&["paid"]), tagged(&["default"]), tagged(&[]), by_agent];
        let all: Vec<&Traits> = all.iter().collect();
        let any = TagRule { match_any: true, prefix: None };
        let every = TagRule { match_any: false, prefix: None };
        let cases: [(&str, &TagRule, Option<&str>, [u8; 5]); 10] = [
            ("free", &any, None, [1, 0, 0, 0, 0]),
            ("free,paid", &any, None, [1, 1, 0, 0, 0]),
            ("free,eu", &every, None, [1, 0, 0, 0, 0]),
            ("free,paid", &every, None, [0, 0, 1, 0, 0]),
            ("unknown", &any, None, [0, 0, 1, 0, 0]),
            ("", &any, None, [0, 0, 1, 0, 0]),
            ("free,paid,!eu", &any, None, [0, 1, 0, 0, 0]),
            ("&eu", &any, None, [1, 0, 0, 0, 0]),
            ("paid,&eu", &any, None, [0, 0, 0, 0, 0]),
            ("", &any, Some("claude-cli/2.0"), [0, 0, 0, 0, 1]),
        ];
        for (list, rule, agent, expected) in cases {
            let chosen: Vec<u8> = tags(list, rule).choose(&all, rule, agent).into_iter().map(u8::from).collect();
            assert_eq!(chosen, expected, "{list} {rule:?} {agent:?}");
        }
        assert_eq!(tags("", &any).choose(&all[..2], &any, None), [true, true], "without defaults nobody without tags is shut out");
        let prefixed = TagRule { match_any: true, prefix: Some("route-".to_owned()) };
        assert_eq!(tags("free,route-x", &prefixed).wanted, ["route-x"]);
    }
}
