//! WordPress: a dump of the tables `users` and `usermeta` with any prefix, or what
//! `wp user list --format=csv` (or `json`) writes.

use std::cell::RefCell;
use std::collections::HashMap;
use std::ops::ControlFlow;
use std::path::Path;

use super::fields::Fields;
use super::input::{self, ExportError};
use super::{Each, Entry, Options, csv, json, php, sql};

/// The columns of the two tables (WordPress 6.8), for dumps that do not tell them.
const USERS: &[&str] = &[
    "ID",
    "user_login",
    "user_pass",
    "user_nicename",
    "user_email",
    "user_url",
    "user_registered",
    "user_activation_key",
    "user_status",
    "display_name",
];
const META: &[&str] = &["umeta_id", "user_id", "meta_key", "meta_value"];

pub(super) fn read(path: &Path, _: &Options, each: Each<'_>) -> Result<(), ExportError> {
    let mut take = |line, user: Result<Fields, _>| {
        Ok(each(match user {
            Ok(user) => entry(line, &user, None),
            Err(fault) => Entry::broken(line, fault),
        }))
    };
    match input::first_octet(path)? {
        Some(b'{' | b'[') => json::objects(path, &[], &mut |item| take(item.line, item.object)),
        _ if is_csv(path)? => csv::rows(path, &["user_email"], &mut take),
        _ => dump(path, each),
    }
}

/// Returns whether the first line names columns.
fn is_csv(path: &Path) -> Result<bool, ExportError> {
    let mut line = Vec::new();
    input::open(path)?.take_line(&mut line)?;
    let line = String::from_utf8_lossy(&line);
    Ok(line.contains("user_email") && !line.contains(['(', '`']))
}

fn dump(path: &Path, each: Each<'_>) -> Result<(), ExportError> {
    let metas = metas(path)?;
    let table = RefCell::new(None::<String>);
    let wanted = |table: &str| table.ends_with("users").then_some(USERS);
    sql::rows(path, &wanted, &mut |row| {
        let user = match row.columns {
            Ok(user) if user.has("user_pass") && user.has("user_email") => user,
            Err(fault) if table.borrow().as_deref() == Some(row.table) => {
                return Ok(each(Entry::broken(row.line, fault)));
            }
            // Another table of such a name.
            _ => return Ok(ControlFlow::Continue(())),
        };
        let table = &mut *table.borrow_mut();
        match table.get_or_insert_with(|| row.table.to_owned()) {
            table if table == row.table => {}
            table => {
                let other = row.table;
                let detail = format!("it has users of two sites, in {table} and in {other}");
                return Err(ExportError::Other(detail));
            }
        }
        let prefix = row.table.strip_suffix("users").unwrap_or_default();
        let meta = metas.get(prefix).map(|metas| metas.of(&user));
        Ok(each(entry(row.line, &user, meta.as_ref())))
    })?;
    match table.into_inner() {
        Some(_) => Ok(()),
        None => Err(ExportError::Other(
            "it has no rows of a table such as wp_users".to_owned(),
        )),
    }
}

/// What the table `usermeta` of a site tells of its users: some 40 octets for each.
#[derive(Default)]
struct Metas {
    /// The user, where its texts begin, their length, and the number of its set of roles.
    users: Vec<(u64, u64, u16, u16)>,
    /// First name, last name and language of users, with a NUL after each.
    texts: Vec<u8>,
    /// What the old system stores of roles. Thousands of users have the same.
    roles: Vec<String>,
    numbers: HashMap<String, u16>,
    current: (u64, Meta),
}

/// What is told of one user.
#[derive(Default)]
struct Meta {
    first_name: String,
    last_name: String,
    locale: String,
    roles: String,
    is_new: bool,
}

fn metas(path: &Path) -> Result<HashMap<String, Metas>, ExportError> {
    let mut sites: HashMap<String, Metas> = HashMap::new();
    let wanted = |table: &str| table.ends_with("usermeta").then_some(META);
    sql::rows(path, &wanted, &mut |row| {
        let prefix = row.table.strip_suffix("usermeta").unwrap_or_default();
        if let Ok(meta) = row.columns
            && let Some(user) = meta.text("user_id").and_then(|id| id.parse().ok())
        {
            if !sites.contains_key(prefix) {
                sites.insert(prefix.to_owned(), Metas::default());
            }
            if let Some(metas) = sites.get_mut(prefix) {
                metas.add(user, prefix, &meta);
            }
        }
        Ok(ControlFlow::Continue(()))
    })?;
    for metas in sites.values_mut() {
        metas.keep_current();
        metas.users.sort();
    }
    Ok(sites)
}

impl Metas {
    /// Adds a row. Those of one user mostly lie together.
    fn add(&mut self, user: u64, prefix: &str, row: &Fields) {
        if self.current.0 != user {
            self.keep_current();
            self.current.0 = user;
        }
        let meta = &mut self.current.1;
        let key = row.text("meta_key").unwrap_or_default();
        let place = match key.as_str() {
            "first_name" => &mut meta.first_name,
            "last_name" => &mut meta.last_name,
            "locale" => &mut meta.locale,
            key if key.strip_prefix(prefix) == Some("capabilities") => &mut meta.roles,
            _ => return,
        };
        *place = row.text("meta_value").unwrap_or_default();
        meta.is_new = true;
    }

    fn keep_current(&mut self) {
        let (user, meta) = std::mem::take(&mut self.current);
        if !meta.is_new {
            return;
        }
        let roles = match self.numbers.get(&meta.roles) {
            Some(number) => *number,
            None => {
                // Nobody has so many sets of roles; what is beyond is told as none.
                let number = u16::try_from(self.roles.len()).unwrap_or(u16::MAX);
                if number < u16::MAX {
                    self.roles.push(meta.roles.clone());
                    self.numbers.insert(meta.roles, number);
                }
                number
            }
        };
        let start = self.texts.len();
        for text in [&meta.first_name, &meta.last_name, &meta.locale] {
            // Longer than a name may be: it is refused as too long, and that is right.
            let text = text.replace('\0', " ");
            let most = text
                .char_indices()
                .nth(200)
                .map_or(text.len(), |(at, _)| at);
            self.texts.extend(text.bytes().take(most));
            self.texts.push(0);
        }
        let length = u16::try_from(self.texts.len() - start).unwrap_or(u16::MAX);
        self.users.push((user, start as u64, length, roles));
    }

    /// Returns what is told of a user.
    fn of(&self, user: &Fields) -> Meta {
        let mut told = Meta::default();
        let Some(id) = user.text("ID").and_then(|id| id.parse::<u64>().ok()) else {
            return told;
        };
        let start = self.users.partition_point(|(user, ..)| *user < id);
        let of_user = self.users.iter().skip(start);
        for (_, start, length, roles) in of_user.take_while(|(user, ..)| *user == id) {
            let start = usize::try_from(*start).unwrap_or(usize::MAX);
            let texts = self
                .texts
                .get(start..start.saturating_add(usize::from(*length)));
            let mut texts = texts.unwrap_or_default().split(|octet| *octet == 0);
            for place in [&mut told.first_name, &mut told.last_name, &mut told.locale] {
                let text = texts.next().unwrap_or_default();
                if !text.is_empty() {
                    *place = String::from_utf8_lossy(text).into_owned();
                }
            }
            if let Some(roles) = self
                .roles
                .get(usize::from(*roles))
                .filter(|r| !r.is_empty())
            {
                told.roles.clone_from(roles);
            }
        }
        told
    }
}

fn entry(line: u64, user: &Fields, meta: Option<&Meta>) -> Entry {
    let mut entry = Entry::at(line);
    let record = &mut entry.record;
    record.external_id = user.text("ID");
    record.email = user.text("user_email");
    record.first_name = user.text("first_name");
    record.last_name = user.text("last_name");
    record.name = user.text("display_name");
    record.date_joined = user.first_raw(&["user_registered"]);
    // Sites of a network mark users so.
    if user.truth("spam") == Some(true) {
        record.status = Some("disabled".to_owned());
    }
    if user.truth("deleted") == Some(true) {
        entry.refuse("email", "deleted", "was deleted in the old system");
    }
    if let Some(stored) = user.first_raw(&["user_pass"]) {
        entry.password("wordpress", stored);
    }
    for role in user.text("roles").unwrap_or_default().split(',') {
        entry.role(role);
    }
    entry.locale(user.text("locale"));
    if let Some(meta) = meta {
        let text = |text: &String| Some(text.clone()).filter(|text| !text.is_empty());
        entry.record.first_name = text(&meta.first_name);
        entry.record.last_name = text(&meta.last_name);
        entry.locale(text(&meta.locale));
        match php::true_members(&meta.roles) {
            Some(roles) => roles.iter().for_each(|role| entry.role(role)),
            None if meta.roles.is_empty() => {}
            None => entry.refuse("roles", "broken", "cannot be read"),
        }
    }
    entry.username(user.text("user_login"));
    entry
}
