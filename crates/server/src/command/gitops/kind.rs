//! The kinds of objects that files may name, and how the management API speaks of each.

use super::rows;

pub(super) use rows::KINDS;

/// A kind of object.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Kind {
    /// What people call one.
    pub(super) name: &'static str,
    /// The section of a file that lists them.
    pub(super) section: &'static str,
    /// What tells one from another.
    pub(super) named: Named,
    /// The field of the API that identifies one.
    pub(super) id: &'static str,
    /// The field that identifies one when it is changed.
    pub(super) handle: &'static str,
    /// Where they are listed.
    pub(super) list: List,
    /// A field of that list: a row in which it is nothing is no object.
    pub(super) present: &'static str,
    /// How one is made.
    pub(super) create: Call,
    /// How one is changed.
    pub(super) update: Call,
    /// How one is deleted.
    pub(super) delete: Delete,
    /// Fields that files write with the names of other objects: in the file, in the API, the kind.
    pub(super) references: &'static [(&'static str, &'static str, &'static str)],
    /// The forms of the API's requests, which know the fields there are; empty where it takes anything.
    pub(super) forms: &'static [&'static str],
    /// Fields of these forms that files do not write.
    pub(super) without: &'static [&'static str],
    /// Fields of files that are no fields of the object.
    pub(super) apart: &'static [&'static str],
    /// Fields that only count when one is made.
    pub(super) once: &'static [&'static str],
    /// Fields that are what they were when one was made, and what is said to those who want them otherwise.
    pub(super) fixed: (&'static [&'static str], &'static str),
    /// Fields that are compared whole: what is in them and is not named is to go.
    pub(super) whole: &'static [&'static str],
    /// Fields that are secrets.
    pub(super) secret: &'static [&'static str],
    /// Fields that the API does not tell. Whether they changed is told as of secrets.
    pub(super) untold: &'static [&'static str],
    /// How a change says that a field is to be nothing.
    pub(super) clears: Clears,
    /// What is sent when one is made and the file does not say it: fields, and their values as JSON.
    pub(super) unless_said: &'static [(&'static str, &'static str)],
}

/// What tells one object from another.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Named {
    /// A field: in files, in the API.
    By(&'static str, &'static str),
    /// Several fields of the API together, with that between them.
    Together(&'static [&'static str], &'static str),
    /// Whose it is: the one reference that it has, or the gateway's where it has none.
    Owner,
}

/// Where objects are listed.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum List {
    /// All at once: the path, and the key of the list in the answer (empty for the answer itself).
    Whole(&'static str, &'static str),
    /// By `page`: the path up to the number, and the key of the list.
    Pages(&'static str, &'static str),
    /// By `offset`: the path up to the number, and the key of the list.
    Offsets(&'static str, &'static str),
}

/// A method and a path, in which `{id}` stands for the object's, and `{field}` for what the body has there.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Call(pub(super) &'static str, pub(super) &'static str);

/// How one is deleted.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Delete {
    /// The call, and the field of its body with the id (as a list where it is marked with `*`).
    By(Call, &'static str),
    /// It is changed: what files said of it is nothing again.
    Clear,
    /// It stays for ever, and only its mark goes.
    Never,
}

/// How a change says that a field is to be nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Clears {
    /// By null, and lists by an empty one.
    Empty,
    /// By null.
    Null,
    /// By null, and yes and no too: what is not set is not no.
    Unset,
    /// By its name in `cleared`: null is what clients send of what they do not mean to change.
    ByName,
}

/// The kind of that name.
pub(super) fn of(name: &str) -> Option<&'static Kind> {
    KINDS.iter().find(|kind| kind.name == name)
}

/// How the parts of an object that have calls of their own are listed, added and removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// Who is in a team.
    TeamMembers,
    /// What members of a team may do with keys.
    TeamPermissions,
    /// Who is in an organization.
    OrganizationMembers,
    /// Which keys are under a guardrail.
    GuardedKeys,
    /// Which users are under a guardrail.
    GuardedMembers,
    /// What a workspace may spend in which time.
    WorkspaceBudgets,
}

impl Part {
    /// The fields of what is in it: those that files have, and the form of the API's requests that knows the others.
    pub(super) fn fields(self) -> (&'static [&'static str], Option<&'static str>) {
        const MEMBER: &[&str] = &["user", "role", "user_role"];
        match self {
            Self::TeamMembers => (MEMBER, Some("TeamMemberUpdateRequest")),
            Self::OrganizationMembers => (MEMBER, Some("OrganizationMemberUpdateRequest")),
            Self::WorkspaceBudgets => (&["reset_interval", "limit_usd"], None),
            Self::TeamPermissions | Self::GuardedKeys | Self::GuardedMembers => (&[], None),
        }
    }
}

impl Kind {
    /// Whether one comes and goes with another object, and is nobody's until something is said of it.
    pub(super) fn belongs_to(&self) -> Option<&'static str> {
        (self.name == "workspace").then_some("team")
    }

    /// The parts that have calls of their own, by their field in files.
    pub(super) fn parts(&self) -> &'static [(&'static str, Part)] {
        match self.name {
            "team" => &[("members", Part::TeamMembers), ("team_member_permissions", Part::TeamPermissions)],
            "organization" => &[("members", Part::OrganizationMembers)],
            "guardrail" => &[("keys", Part::GuardedKeys), ("members", Part::GuardedMembers)],
            "workspace" => &[("budgets", Part::WorkspaceBudgets)],
            _ => &[],
        }
    }

    /// The fields of files that name one.
    pub(super) fn names(&self) -> Vec<&'static str> {
        match self.named {
            Named::By(written, _) => vec![written],
            Named::Together(fields, _) => fields.iter().map(|field| self.written(field)).collect(),
            Named::Owner => self.references.iter().map(|(written, ..)| *written).collect(),
        }
    }

    /// Whether a field is part of the name, so that whoever tells the name need not tell the field.
    pub(super) fn is_name(&self, field: &str) -> bool {
        match self.named {
            Named::By(_, own) => own == field,
            Named::Together(fields, _) => fields.contains(&field),
            Named::Owner => self.references.iter().any(|(_, own, _)| *own == field),
        }
    }

    /// The field of the API that files write by that name.
    pub(super) fn field<'a>(&self, written: &'a str) -> &'a str {
        self.references.iter().find(|(name, ..)| *name == written).map_or(written, |(_, field, _)| field)
    }

    /// The name that files have for a field of the API.
    pub(super) fn written<'a>(&self, field: &'a str) -> &'a str {
        self.references.iter().find(|(_, own, _)| *own == field).map_or(field, |(name, ..)| name)
    }
}
