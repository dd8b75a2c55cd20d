//! Every deployment there is, and the names by which callers reach them.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};

use crate::call::Call;
use crate::deployment::Deployment;
use crate::error::Error;
use crate::route::plan::{Fallback, Fallbacks, Plan, Target, TryPolicy};

/// A group and its deployments.
pub type Group = Arc<[Arc<Deployment>]>;

/// Makes the deployment of a model that only a pattern knows: (the pattern's deployment, the text its `*` stands for).
pub type Expand = dyn Fn(&Deployment, &str) -> Option<Deployment> + Send + Sync;

/// Every deployment there is, and the names by which callers reach them.
pub struct Fleet {
    groups: BTreeMap<String, Group>,
    patterns: Vec<Pattern>,
    aliases: HashMap<String, String>,
    hidden: Vec<String>,
    fallbacks: HashMap<String, Arc<Fallbacks>>,
    default_fallbacks: Arc<Fallbacks>,
    policy: Arc<TryPolicy>,
    expand: Box<Expand>,
    expanded: Mutex<HashMap<String, Group>>,
}

#[derive(Debug)]
struct Pattern {
    prefix: String,
    suffix: String,
    deployments: Group,
}

/// The most names made from patterns that are kept.
const KEPT: usize = 4096;

/// The names beside those of the deployments themselves.
#[derive(Clone, Debug, Default)]
pub struct Names {
    /// Other names of groups.
    pub aliases: Vec<(String, String)>,
    /// Aliases that lists leave out.
    pub hidden: Vec<String>,
    /// Groups to try when all of one have failed.
    pub fallbacks: Vec<(String, Vec<String>)>,
    /// Groups to try when one without fallbacks of its own has failed.
    pub default_fallbacks: Vec<String>,
}

impl Fleet {
    /// The fleet of those deployments. `expand` makes the deployment of a name that a pattern matches.
    pub fn new(deployments: Vec<Deployment>, names: Names, expand: Box<Expand>) -> Self {
        let mut groups: BTreeMap<String, Vec<Arc<Deployment>>> = BTreeMap::new();
        for deployment in deployments {
            groups.entry(deployment.spec.group.clone()).or_default().push(Arc::new(deployment));
        }
        let mut patterns = Vec::new();
        for name in groups.keys().filter(|name| name.contains('*')).cloned().collect::<Vec<_>>() {
            if let (Some(deployments), Some((prefix, suffix))) = (groups.remove(&name), name.split_once('*')) {
                patterns.push(Pattern { prefix: prefix.to_owned(), suffix: suffix.to_owned(), deployments: deployments.into() });
            }
        }
        // The longest pattern says most.
        patterns.sort_by_key(|pattern| std::cmp::Reverse(pattern.prefix.len() + pattern.suffix.len()));
        let groups = groups.into_iter().map(|(name, group)| (name, Group::from(group))).collect();
        let general = |own: &str, targets: Vec<String>| {
            let general = targets.into_iter().filter(|target| target != own).map(Fallback::to).collect();
            Arc::new(Fallbacks { general, max: Fallbacks::MOST, ..Fallbacks::default() })
        };
        let fallbacks = names.fallbacks.into_iter().map(|(own, targets)| (own.clone(), general(&own, targets))).collect();
        Self {
            groups,
            patterns,
            aliases: names.aliases.into_iter().collect(),
            hidden: names.hidden,
            fallbacks,
            default_fallbacks: general("", names.default_fallbacks),
            policy: Arc::default(),
            expand,
            expanded: Mutex::default(),
        }
    }

    /// What to try for that call, in order.
    pub fn plan(&self, call: &Call) -> Result<Plan, Error> {
        self.plan_for(&call.model)
    }

    /// What to try for that call in the group of a fallback, in order. A fallback of a fallback has none of its own.
    pub fn plan_fallback(&self, _call: &Call, fallback: &Fallback) -> Result<Plan, Error> {
        self.plan_for(&fallback.model).map(|plan| Plan { fallbacks: Arc::default(), ..plan })
    }

    fn plan_for(&self, model: &str) -> Result<Plan, Error> {
        let (group, own) = self.find(model).ok_or_else(|| Error::model_not_found(model))?;
        let targets = shuffled(&own).into_iter().map(Target::plain).collect();
        let fallbacks = self.fallbacks.get(group).unwrap_or(&self.default_fallbacks).clone();
        let policy = self.policy.clone();
        Ok(Plan { group: Arc::from(group), strategy: "simple-shuffle", targets, excluded: Vec::new(), fallbacks, policy })
    }

    /// The group a name stands for, and its deployments.
    pub fn find<'a>(&'a self, name: &'a str) -> Option<(&'a str, Group)> {
        let group = self.aliases.get(name).map_or(name, String::as_str);
        self.group(group).map(|own| (group, own))
    }

    /// The deployments of a group, by its name or by a pattern that matches it.
    fn group(&self, name: &str) -> Option<Group> {
        if let Some(group) = self.groups.get(name) {
            return Some(group.clone());
        }
        let mut expanded = self.expanded.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(group) = expanded.get(name) {
            return Some(group.clone());
        }
        let group = self.patterns.iter().find_map(|pattern| {
            let rest = name.strip_prefix(pattern.prefix.as_str())?;
            let captured = rest.strip_suffix(pattern.suffix.as_str())?;
            let made: Group = pattern.deployments.iter().filter_map(|one| (self.expand)(one, captured)).map(Arc::new).collect();
            (!made.is_empty()).then_some(made)
        })?;
        if expanded.len() >= KEPT {
            expanded.clear();
        }
        expanded.insert(name.to_owned(), group.clone());
        Some(group)
    }

    /// The names of the groups, aliases included, patterns not.
    pub fn names(&self) -> Vec<(&str, &Deployment)> {
        let own = self.groups.iter().filter_map(|(name, group)| Some((name.as_str(), &**group.first()?)));
        let aliases = self.aliases.iter().filter(|(alias, _)| !self.hidden.contains(alias));
        let aliases = aliases.filter_map(|(alias, group)| Some((alias.as_str(), &**self.groups.get(group)?.first()?)));
        let mut names: Vec<_> = own.chain(aliases).collect();
        names.sort_by_key(|(name, _)| *name);
        names
    }

    /// The groups by every name that lists show, aliases included, patterns not; in no order.
    pub fn groups(&self) -> impl Iterator<Item = (&str, &Group)> {
        let own = self.groups.iter().map(|(name, group)| (name.as_str(), group));
        let aliases = self.aliases.iter().filter(|(alias, _)| !self.hidden.contains(alias));
        own.chain(aliases.filter_map(|(alias, group)| Some((alias.as_str(), self.groups.get(group)?))))
    }

    /// The patterns among the names, as written, with all their deployments.
    pub fn pattern_groups(&self) -> impl Iterator<Item = (String, &Group)> {
        self.patterns.iter().map(|pattern| (format!("{}*{}", pattern.prefix, pattern.suffix), &pattern.deployments))
    }

    /// The deployments of a name that a pattern stands for, where it was asked for before.
    pub fn expanded(&self, name: &str) -> Option<Group> {
        self.expanded.lock().unwrap_or_else(std::sync::PoisonError::into_inner).get(name).cloned()
    }

    /// The patterns among the names, as written, with their deployments.
    pub fn patterns(&self) -> impl Iterator<Item = (String, &Deployment)> {
        self.patterns.iter().filter_map(|pattern| Some((format!("{}*{}", pattern.prefix, pattern.suffix), &**pattern.deployments.first()?)))
    }

    /// Every deployment as configured.
    pub fn deployments(&self) -> impl Iterator<Item = &Arc<Deployment>> {
        self.groups.values().chain(self.patterns.iter().map(|pattern| &pattern.deployments)).flat_map(|group| group.iter())
    }
}

impl std::fmt::Debug for Fleet {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Fleet").field("groups", &self.groups.len()).field("patterns", &self.patterns).finish_non_exhaustive()
    }
}

/// By `order`, and within it by chance in proportion to weight.
fn shuffled(group: &[Arc<Deployment>]) -> Vec<Arc<Deployment>> {
    if let [one] = group {
        return vec![one.clone()];
    }
    let mut keyed: Vec<(u32, f64, Arc<Deployment>)> = group
        .iter()
        .map(|deployment| {
            // Exponential race: the smallest of -ln(u)/w wins with probability in proportion to w.
            let weight = deployment.spec.weight.filter(|weight| *weight > 0.0).unwrap_or(1.0);
            (deployment.spec.order, -(1.0 - fastrand::f64()).ln() / weight, deployment.clone())
        })
        .collect();
    keyed.sort_by(|a, b| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)));
    keyed.into_iter().map(|(_, _, deployment)| deployment).collect()
}
