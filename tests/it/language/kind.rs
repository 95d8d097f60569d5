//! How the kind of a file is recognized.

use planrun::schema::kind::*;

#[track_caller]
fn is(text: &str, kind: Kind, sign: Sign) {
    assert_eq!(Kind::of(text), Some((kind, sign)), "{text}");
}

#[test]
fn the_modeline_counts_first() {
    let text = "# Hosts\n# yaml-language-server: $schema=../schemas/inventory.schema.json\nsteps: 1\nversion: 1\n";
    is(text, Kind::Inventory, Sign::Sure);
}

#[test]
fn keys_make_the_kind() {
    is("version: 1\nname: a\nhosts: a\nsteps:\n  - wait: 1s\n", Kind::Plan, Sign::Sure);
    is("{\"hosts\": \"a\", \"steps\": [{\"wait\": \"1s\"}]}", Kind::Plan, Sign::Sure);
    is("version: 1\nmodel: a\nweb: {}\n", Kind::Model, Sign::Sure);
    is("version: 1\nplan: a.yaml\ntests: []\n", Kind::Test, Sign::Sure);
    is("all:\n  hosts:\n    a:\n", Kind::Inventory, Sign::Sure);
    is("all: {hosts: {a: }}\n", Kind::Inventory, Sign::Sure);
    is("; hosts\n[web]\nweb1\n", Kind::Inventory, Sign::Sure);
}

#[test]
fn a_key_is_a_weak_sign() {
    is("serial: 1\n", Kind::Plan, Sign::Weak);
    is("- hosts: web\n  tasks: []\n", Kind::Plan, Sign::Weak);
    is("web:\n  hosts:\n    a:\n  ports: [1]\n", Kind::Inventory, Sign::Weak);
    is("plan: a\n", Kind::Test, Sign::Weak);
}

#[test]
fn two_keys_that_are_nearly_those_of_a_kind_are_enough() {
    let near = "version: 1\nname: a\nhost: web\nstep:\n  - run: a\n";
    is(near, Kind::Plan, Sign::Sure);
    is("nmae: a\nsteps: []\n", Kind::Plan, Sign::Sure);
    is("verson: 1\ntest: []\n", Kind::Test, Sign::Sure);
    is("plan: a.yaml\ninventory: demo\n", Kind::Test, Sign::Sure);
    is("verison: 1\nmodell: a\n", Kind::Model, Sign::Sure);
}

#[test]
fn an_inventory_is_one_also_with_a_slip_in_it() {
    is("web:\n  hosts: [web1, web2]\n", Kind::Inventory, Sign::Sure);
    is("web: {hosts: {a: }}\n", Kind::Inventory, Sign::Sure);
    is("web:\n  host:\n    a:\ndb:\n  hosts:\n    b:\n", Kind::Inventory, Sign::Sure);
}

#[test]
fn other_files_show_no_kind() {
    for text in [
        "",
        "services:\n  web:\n    image: nginx\n",
        "name: a\nversion: 2\n",
        "name: a\ndescription: b\nrepository: c\n",
        "a",
    ] {
        assert_eq!(Kind::of(text), None, "{text}");
    }
}

#[test]
fn odd_texts_are_survived() {
    for text in ["{", "}}", "{\"", "[", "# yaml-language-server: $schema=", ":", "{é:"] {
        let _kind = Kind::of(text);
    }
}
