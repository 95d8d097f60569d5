//! Who runs planrun: the user that a host is logged in to by default, and whose commands run here.

use std::fs;

/// Returns the name of the user that runs this process.
///
/// The user database file is asked first: `USER` survives a change of user.
pub fn controller_user() -> Option<String> {
    let uid = rustix::process::getuid().as_raw();
    let users = fs::read_to_string("/etc/passwd").unwrap_or_default();
    name_of(uid, &users)
        .or_else(|| ["LOGNAME", "USER"].iter().find_map(|name| std::env::var(name).ok()))
        .filter(|name| !name.is_empty())
}

fn name_of(uid: u32, users: &str) -> Option<String> {
    users.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(uid)).then(|| name.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::name_of;

    #[test]
    fn a_user_is_found_by_number() {
        let users = "root:x:0:0:root:/root:/bin/bash\n\nbroken\nmail:x:8:8::/var/mail:/bin/sh\n";
        assert_eq!(name_of(8, users), Some("mail".to_owned()));
        assert_eq!(name_of(0, users), Some("root".to_owned()));
        assert_eq!(name_of(9, users), None);
    }
}
