//! What must hold for every message, object, stream and key block, not only for the vectors: written and read again they
//! are the same, and whatever the reader accepts it can write back.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that fails should stop at once")]

use proptest::collection::vec;
use proptest::prelude::*;
use smartpos::codec::frame::{Framer, Header, encode_frame};
use smartpos::codec::iso8583::{Align, FieldSpec, Format, Length, Message, Mti, Spec};
use smartpos::codec::tlv::{self, Tag, Writer};
use smartpos::domain::secret::DoubleKey;
use smartpos::host::des::DesKey;
use smartpos::host::key_block::{KeyBlockRule, MakRule, WorkingKeys};

/// The table in the standard's own notation; compared by eye with the protocol reference once, watched from then on.
#[test]
fn the_field_table_is_as_reviewed() {
    let notation = |spec: &FieldSpec| {
        let format = match spec.format {
            Format::N => "n",
            Format::Z => "z",
            Format::An => "an",
            Format::Ans => "ans",
            Format::B => "b",
        };
        let (dots, length) = match spec.length {
            Length::Fixed(length) => ("", length),
            Length::LlVar(length) => ("..", length),
            Length::LllVar(length) => ("...", length),
        };
        let side = match (spec.length, spec.align) {
            (Length::Fixed(_), Align::Left) => " left",
            _ => "",
        };
        format!("{:2} {:12} {}", spec.number, format!("{format}{dots}{length}{side}"), spec.meaning)
    };
    let table: Vec<_> = Spec::rows().iter().map(notation).collect();
    insta::assert_snapshot!(table.join("\n"));
    assert!(Spec::rows().is_sorted_by_key(|spec| spec.number));
    assert!(Spec::rows().iter().all(|spec| Spec::field(spec.number) == Some(spec)));
}

/// A field with a value that fits it, as the bytes or characters it is set with.
fn field() -> impl Strategy<Value = (&'static FieldSpec, Vec<u8>)> {
    let any_row = (0..Spec::rows().len()).prop_map(|row| &Spec::rows()[row]);
    any_row.prop_flat_map(|spec| {
        let length = match spec.length {
            Length::Fixed(length) => usize::from(length)..=usize::from(length),
            Length::LlVar(max) | Length::LllVar(max) => 0..=usize::from(max),
        };
        let character = match spec.format {
            Format::N => prop::sample::select(b"0123456789".to_vec()).boxed(),
            Format::Z => prop::sample::select(b"0123456789ABCDEF".to_vec()).boxed(),
            Format::An => (0x20..=0x7E_u8).boxed(),
            Format::Ans => prop_oneof![0x20..=0x7E_u8, 0x80..=0xFF_u8].boxed(),
            Format::B => any::<u8>().boxed(),
        };
        (Just(spec), vec(character, length))
    })
}

fn set(message: &mut Message, spec: &FieldSpec, value: &[u8]) {
    let text = || std::str::from_utf8(value).unwrap();
    match spec.format {
        Format::N | Format::Z => message.set_digits(spec.number, text()).unwrap(),
        Format::An => message.set_text(spec.number, text()).unwrap(),
        Format::Ans | Format::B => message.set_bytes(spec.number, value).unwrap(),
    }
}

fn mti() -> impl Strategy<Value = Mti> {
    any::<u16>().prop_filter_map("not decimal", Mti::new)
}

fn header() -> impl Strategy<Value = Header> {
    any::<([u8; 5], [u8; 6])>().prop_map(|(tpdu, header)| Header { tpdu, header })
}

/// Nested objects, at most as deep as the reader goes.
#[derive(Clone, Debug)]
enum Tree {
    Leaf(Tag, Vec<u8>),
    Node(Tag, Vec<Tree>),
}

fn tree() -> impl Strategy<Value = Tree> {
    let leaf_tag = prop::sample::select(vec![0x5A, 0x9F02, 0x9F26, 0xDF69, 0xDF8101]).prop_map(Tag);
    let node_tag = prop::sample::select(vec![0x61, 0x6F, 0x70, 0xA5, 0xBF0C]).prop_map(Tag);
    let leaf = (leaf_tag, vec(any::<u8>(), 0..300)).prop_map(|(tag, value)| Tree::Leaf(tag, value));
    leaf.prop_recursive(tlv::MAX_DEPTH as u32 - 1, 24, 4, move |inner| {
        (node_tag.clone(), vec(inner, 0..4)).prop_map(|(tag, trees)| Tree::Node(tag, trees))
    })
}

fn write(writer: &mut Writer, tree: &Tree) {
    match tree {
        Tree::Leaf(tag, value) => {
            writer.put(*tag, value);
        }
        Tree::Node(tag, trees) => {
            writer.nest(*tag, |inner| trees.iter().for_each(|tree| write(inner, tree)));
        }
    }
}

fn same(object: tlv::Object<'_>, tree: &Tree) -> bool {
    match tree {
        Tree::Leaf(tag, value) => object.tag == *tag && object.value == value,
        Tree::Node(tag, trees) => {
            let children: Vec<_> = object.children().map(Result::unwrap).collect();
            object.tag == *tag
                && children.len() == trees.len()
                && children.iter().zip(trees).all(|(object, tree)| same(*object, tree))
        }
    }
}

fn wrapped(tmk: &DoubleKey, key: &DesKey, bytes: &[u8], width: usize) -> Vec<u8> {
    let cipher = DesKey::from(tmk).cipher();
    let mut slot: Vec<u8> = bytes.as_chunks::<8>().0.iter().flat_map(|block| cipher.encrypt(*block)).collect();
    slot.resize(width, 0);
    slot.extend_from_slice(&key.check_value()[..4]);
    slot
}

proptest! {
    #[test]
    fn a_message_comes_back_as_it_was_built(
        mti in mti(), header in header(), fields in vec(field(), 0..40), gone in vec(2..=64_u8, 0..4),
    ) {
        let mut message = Message::new(mti);
        fields.iter().for_each(|(spec, value)| set(&mut message, spec, value));
        gone.iter().for_each(|field| message.remove(*field));
        let wire = message.encode(&header);
        let (found_header, found) = Message::decode(&wire[2..]).unwrap();
        prop_assert_eq!(usize::from(wire[0]) << 8 | usize::from(wire[1]), wire.len() - 2);
        prop_assert_eq!(found_header, header);
        prop_assert!(found == message);
        prop_assert_eq!(found.encode(&header), wire);
    }

    #[test]
    fn the_last_value_set_is_the_one_that_counts(fields in vec(field(), 1..40)) {
        let mut message = Message::new(Mti::FINANCIAL);
        fields.iter().for_each(|(spec, value)| set(&mut message, spec, value));
        for number in message.bitmap().fields() {
            let (spec, value) = fields.iter().rev().find(|(spec, _)| spec.number == number).unwrap();
            let found = if spec.is_digits() { message.text(number).map(str::as_bytes) } else { message.bytes(number) };
            prop_assert!(found == Some(value.as_slice()), "field {}", number);
        }
    }

    #[test]
    fn the_covered_bytes_are_the_encoding_up_to_the_mac(fields in vec(field(), 0..20), header in header()) {
        let mut message = Message::new(Mti::FINANCIAL);
        fields.iter().for_each(|(spec, value)| set(&mut message, spec, value));
        let covered = { message.remove(64); message.mab() };
        message.set_bytes(64, b"MACMACMA").unwrap();
        let wire = message.encode(&header);
        prop_assert_eq!(&wire[13..wire.len() - 8], covered.as_slice());
        prop_assert!(message.mab() == covered);
    }

    #[test]
    fn what_the_decoder_accepts_encodes_to_the_same_bytes(
        fields in vec(field(), 0..20), flips in vec((any::<prop::sample::Index>(), 0..8_u8), 0..3),
    ) {
        let mut message = Message::new(Mti::FINANCIAL);
        fields.iter().for_each(|(spec, value)| set(&mut message, spec, value));
        let mut frame = message.encode(&Header { tpdu: [0; 5], header: [0; 6] })[2..].to_vec();
        flips.iter().for_each(|(at, bit)| *at.get_mut(&mut frame) ^= 1_u8 << bit);
        match Message::decode(&frame) {
            Ok((header, message)) => prop_assert_eq!(&message.encode(&header)[2..], frame.as_slice()),
            Err(error) => prop_assert!(error.offset <= frame.len()),
        }
    }

    #[test]
    fn frames_come_out_whole_however_the_stream_is_cut(
        bodies in vec(vec(any::<u8>(), 0..300), 0..8), cuts in vec(1..40_usize, 1..40),
    ) {
        let stream = bodies.iter().flat_map(|body| encode_frame(body).unwrap()).collect::<Vec<_>>();
        let mut framer = Framer::new(300);
        let mut found = Vec::new();
        let mut rest = stream.as_slice();
        for cut in cuts.iter().cycle() {
            let (mut chunk, later) = rest.split_at((*cut).min(rest.len()));
            while let Some(frame) = framer.push(&mut chunk).unwrap() {
                found.push(frame.to_vec());
            }
            prop_assert!(chunk.is_empty());
            rest = later;
            if rest.is_empty() {
                break;
            }
        }
        prop_assert_eq!(found, bodies);
        prop_assert!(!framer.is_mid_frame());
    }

    #[test]
    fn a_stream_with_an_oversize_frame_yields_those_before_it(good in vec(vec(any::<u8>(), 0..50), 0..4), size in 51..0xFFFF_u16) {
        let mut stream: Vec<u8> = good.iter().flat_map(|body| encode_frame(body).unwrap()).collect();
        stream.extend_from_slice(&size.to_be_bytes());
        let mut framer = Framer::new(50);
        let mut input = stream.as_slice();
        for body in &good {
            let frame = framer.push(&mut input).unwrap().unwrap();
            prop_assert_eq!(frame.as_slice(), body.as_slice());
        }
        prop_assert!(framer.push(&mut input).is_err());
    }

    #[test]
    fn nested_objects_come_back_as_they_were_written(trees in vec(tree(), 0..4)) {
        let mut writer = Writer::new();
        trees.iter().for_each(|tree| write(&mut writer, tree));
        let bytes = writer.finish();
        tlv::check(&bytes).unwrap();
        let found: Vec<_> = tlv::objects(&bytes).map(Result::unwrap).collect();
        prop_assert_eq!(found.len(), trees.len());
        prop_assert!(found.iter().zip(&trees).all(|(object, tree)| same(*object, tree)));
    }

    #[test]
    fn whatever_check_passes_can_be_searched_without_error(bytes in vec(any::<u8>(), 0..200), tag in any::<u8>()) {
        match tlv::check(&bytes) {
            Ok(_) => prop_assert!(tlv::find_anywhere(&bytes, Tag(tag.into())).is_ok()),
            Err(error) => prop_assert!(error.offset <= bytes.len()),
        }
    }

    #[test]
    fn keys_come_out_of_their_block_as_they_went_in(
        tmk in any::<[u8; 16]>(), pik in any::<[u8; 16]>(), mak in any::<[u8; 16]>(), mak_is_single in any::<bool>(),
        tdk in any::<Option<[u8; 16]>>(), wrong in any::<prop::sample::Index>(),
    ) {
        let tmk = DoubleKey(tmk);
        let mak = if mak_is_single { &mak[..8] } else { &mak[..] };
        let key = |bytes: &[u8]| DesKey::new(bytes).unwrap();
        let mut block = [wrapped(&tmk, &key(&pik), &pik, 16), wrapped(&tmk, &key(mak), mak, 16)].concat();
        if let Some(tdk) = tdk {
            block.extend(wrapped(&tmk, &key(&tdk), &tdk, 16));
        }
        let forced = if mak_is_single { MakRule::Single } else { MakRule::Double };
        for mak_rule in [MakRule::ByBlock, forced] {
            let opened = WorkingKeys::unwrap_block(&tmk, &block, KeyBlockRule { mak: mak_rule, ..KeyBlockRule::default() });
            let right = opened.is_ok_and(|keys| {
                keys.pik == key(&pik) && keys.mak == key(mak) && keys.tdk == tdk.map(|tdk| key(&tdk))
            });
            prop_assert!(right);
        }
        // One wrong bit anywhere that is looked at: none is installed.
        let at = wrong.index(block.len());
        block[at] ^= 0x10;
let opened = WorkingKeys::unwrap_block(&tmk, &block, KeyBlockRule::default());
        prop_assert!(opened.is_err());
    }
}
