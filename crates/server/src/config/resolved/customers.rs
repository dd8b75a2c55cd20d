//! Who the customer of a caller is.

use crate::config::fields::Fields;
use crate::config::keys;
use crate::config::yaml::Node;

/// Where a request names the customer it is made for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Customers {
    /// Headers that do, the first that is there counting; in lower case.
    pub headers: Vec<String>,
    /// Whether calls must name one in the body's `user`.
    pub enforced: bool,
    /// Whether calls that bear tags of their callers' are refused.
    pub refuses_tags: bool,
}

impl Customers {
    pub(super) fn read(fields: &Fields) -> Self {
        let entry = |node: &Node| {
            let map = node.as_map()?;
            let text = |name: &str| map.get(name).and_then(keys::text);
            let role = text("litellm_user_role").unwrap_or("customer");
            text("header_name").filter(|_| role.eq_ignore_ascii_case("customer")).map(str::to_ascii_lowercase)
        };
        let node = fields.node("user_header_mappings");
        let several = node.and_then(Node::as_list).unwrap_or_default().iter().filter_map(entry);
        let one = node.filter(|node| node.as_map().is_some()).and_then(entry);
        let named = fields.text("user_header_name").map(|name| name.to_ascii_lowercase());
        Self {
            headers: several.chain(one).chain(named).collect(),
            enforced: fields.flag("enforce_user_param").unwrap_or(false),
            refuses_tags: fields.flag("reject_clientside_metadata_tags").unwrap_or(false),
        }
    }
}
