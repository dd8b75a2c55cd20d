//! Routing by tags: LiteLLM's rule.

use serde::Deserialize;
use switchboard_wire::control::is_steering;

use crate::call::{Call, Content};
use crate::deployment::{Pattern, Traits};
use crate::route::settings::TagRule;

/// The header that carries tags, separated by commas.
const HEADER: &str = "x-litellm-tags";
/// The tag of deployments that serve whoever has no tag of another.
const DEFAULT: &str = "default";

/// What patterns of `tag_regex` are looked for in stands behind this, as in LiteLLM.
const AGENT: &str = "User-Agent: ";

/// What a request's tags ask for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Tags {
    wanted: Vec<String>,
    required: Vec<String>,
    excluded: Vec<String>,
    /// Those that the rule's prefix says are meant for routing, whatever a group knows of them.
    marked: Vec<String>,
}

#[derive(Deserialize)]
struct Metadata {
    tags: Option<Vec<String>>,
}

impl Tags {
    /// The tags of a request: of its metadata, its body, its headers, and of its key.
    pub(super) fn of(call: &Call, rule: &TagRule) -> Self {
        let mut tags = Self::default();
        call.principal.tags.iter().for_each(|tag| tags.add(tag, rule));
        if rule.of_keys_alone {
            return tags;
        }
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
        tags
    }

    fn add(&mut self, tag: &str, rule: &TagRule) {
        let written = tag.trim();
        let bare = rule.prefix.as_deref().and_then(|prefix| written.strip_prefix(prefix));
        let tag = bare.unwrap_or(written);
        let (list, tag) = match tag.chars().next() {
            Some('!') => (&mut self.excluded, &tag[1..]),
            Some('&') => (&mut self.required, &tag[1..]),
            _ => (&mut self.wanted, tag),
        };
        if tag.is_empty() {
            return;
        }
        for list in [Some(list), bare.is_some().then_some(&mut self.marked)].into_iter().flatten() {
            if !list.iter().any(|known| known == tag) {
                list.push(tag.to_owned());
            }
        }
    }

    /// Which of those deployments may serve; by their places. Those that match. Else the default ones, unless a wanted tag is one of the
    /// group's: whoever may use some of it may not use the rest by wanting more, or less, than there is. Who wants nothing goes to the
    /// default ones, or where there are none, to all that are not excluded.
    pub(super) fn choose(&self, traits: &[&Traits], rule: &TagRule, agent: Option<&str>) -> Vec<bool> {
        let refused = |one: &Traits| {
            self.excluded.iter().any(|tag| one.tags.contains(tag)) || !self.required.iter().all(|tag| one.tags.contains(tag))
        };
        let is_default = |one: &Traits| one.tags.iter().any(|tag| tag == DEFAULT);
        let agent = agent.map(|agent| format!("{AGENT}{agent}"));
        let by_agent = |one: &Traits| {
            // Where all tags must fit, who somebody says to be opens nothing that has tags.
            let open = rule.match_any || one.tags.is_empty();
            agent.as_deref().is_some_and(|agent| open && one.tag_regex.iter().any(|pattern| is_found(pattern, agent)))
        };
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
        let is_known = |tag: &String| self.marked.contains(tag) || traits.iter().any(|one| one.tags.contains(tag));
        if self.wanted.iter().any(is_known) {
            return vec![false; traits.len()];
        }
        if traits.iter().any(|one| is_default(one)) || !self.wanted.is_empty() || !self.required.is_empty() {
            return fits(&is_default);
        }
        fits(&|_| true)
    }
}

/// Whether the pattern is found in the header, or in its value alone.
fn is_found(pattern: &Pattern, header: &str) -> bool {
    pattern.0.is_match(header) || pattern.0.is_match(&header[AGENT.len()..])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tagged(tags: &[&str]) -> Traits {
        Traits { tags: tags.iter().map(|tag| (*tag).to_owned()).collect(), ..Traits::default() }
    }

    fn tags(list: &str, rule: &TagRule) -> Tags {
        let mut tags = Tags::default();
        list.split(',').for_each(|tag| tags.add(tag, rule));
        tags
    }

    /// Which of them are chosen, as ones and noughts.
    fn chosen(all: &[&Traits], list: &str, rule: &TagRule, agent: Option<&str>) -> Vec<u8> {
        tags(list, rule).choose(all, rule, agent).into_iter().map(u8::from).collect()
    }

    #[test]
    fn requests_go_to_what_their_tags_allow() {
        let mut by_agent = tagged(&["cli"]);
        by_agent.tag_regex.push(Pattern(regex::Regex::new("^claude-cli/").expect("a pattern")));
        let mut by_header = tagged(&[]);
        by_header.tag_regex.push(Pattern(regex::Regex::new("^User-Agent: claude-code\\/").expect("a pattern")));
        let all = [tagged(&["free", "eu"]), tagged(&["paid"]), tagged(&["default"]), tagged(&[]), by_agent, by_header];
        let all: Vec<&Traits> = all.iter().collect();
        let any = TagRule::default();
        let every = TagRule { match_any: false, ..TagRule::default() };
        let cases: [(&str, &TagRule, Option<&str>, [u8; 6]); 21] = [
            ("free", &any, None, [1, 0, 0, 0, 0, 0]),
            ("free,paid", &any, None, [1, 1, 0, 0, 0, 0]),
            ("free,eu", &every, None, [1, 0, 0, 0, 0, 0]),
            ("unknown", &any, None, [0, 0, 1, 0, 0, 0]),
            ("", &any, None, [0, 0, 1, 0, 0, 0]),
            ("free,paid,!eu", &any, None, [0, 1, 0, 0, 0, 0]),
            ("&eu", &any, None, [1, 0, 0, 0, 0, 0]),
            ("paid,&eu", &any, None, [0, 0, 0, 0, 0, 0]),
            ("&unknown", &any, None, [0, 0, 0, 0, 0, 0]),
            // A tag that the group knows leads nowhere else.
            ("free,!free", &any, None, [0, 0, 0, 0, 0, 0]),
            ("eu,!eu,unknown", &any, None, [0, 0, 0, 0, 0, 0]),
            ("free,paid", &every, None, [0, 0, 0, 0, 0, 0]),
            ("free,unknown", &every, None, [0, 0, 0, 0, 0, 0]),
            // Exclusions choose among the default ones.
            ("!paid", &any, None, [0, 0, 1, 0, 0, 0]),
            ("!default", &any, None, [0, 0, 0, 0, 0, 0]),
            ("", &any, Some("claude-cli/2.0"), [0, 0, 0, 0, 1, 0]),
            ("", &any, Some("claude-code/1.0"), [0, 0, 0, 0, 0, 1]),
            ("", &any, Some("another/1.0"), [0, 0, 1, 0, 0, 0]),
            ("paid", &any, Some("claude-code/1.0"), [0, 1, 0, 0, 0, 1]),
            ("paid", &every, Some("claude-cli/2.0"), [0, 1, 0, 0, 0, 0]),
            ("paid", &every, Some("claude-code/1.0"), [0, 1, 0, 0, 0, 1]),
        ];
        for (list, rule, agent, expected) in cases {
            assert_eq!(chosen(&all, list, rule, agent), expected, "{list} {rule:?} {agent:?}");
        }
        assert_eq!(chosen(&all[..2], "", &any, None), [1, 1], "without defaults nobody without tags is shut out");
        assert_eq!(chosen(&all[..2], "!paid", &any, None), [1, 0]);
        assert_eq!(chosen(&all[..2], "!paid,!free", &any, None), [0, 0]);
    }

    #[test]
    fn a_prefix_marks_tags_and_is_no_part_of_them() {
        let all = [tagged(&["free", "eu"]), tagged(&["paid"]), tagged(&["default"])];
        let all: Vec<&Traits> = all.iter().collect();
        let rule = TagRule { prefix: Some("route:".to_owned()), ..TagRule::default() };
        for (list, expected) in [
            ("route:free", [1, 0, 0]),
            ("free", [1, 0, 0]),
            ("route:&eu", [1, 0, 0]),
            ("route:!paid,paid", [0, 0, 0]),
            ("!free", [0, 0, 1]),
            ("unknown", [0, 0, 1]),
            // What is marked is meant, though nothing has it.
            ("route:unknown", [0, 0, 0]),
            ("&route:eu", [0, 0, 0]),
        ] {
            assert_eq!(chosen(&all, list, &rule, None), expected, "{list}");
        }
    }
}
