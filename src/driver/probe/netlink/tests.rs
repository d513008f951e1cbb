//! The kernel's answers, whole and damaged.

use super::*;

#[test]
fn the_kernel_knows_the_way_to_this_machine() {
    let picture = look().unwrap();
    let lo = picture.interfaces.iter().find(|i| i.loopback).unwrap();
    assert_eq!((lo.name.as_str(), lo.enslaved), ("lo", false));
    let way = route_to(Ipv4Addr::LOCALHOST.into()).unwrap().unwrap();
    assert!(way.local && way.gateway.is_none() && way.index == lo.index, "{way:?}");
}

#[test]
fn damaged_answers_are_read_as_far_as_they_go() {
    let mut into = Vec::new();
    for length in 0..40u8 {
        let bytes: Vec<u8> = (0..length).collect();
        let _ = take(&bytes, NEW_LINK, 1, &mut into);
        let _ = (interface(&bytes), address(&bytes), route(&bytes), attributes(&bytes));
    }
    let mut endless = vec![0; 20];
    endless[0] = 4;
    assert!(!take(&endless, NEW_LINK, 0, &mut into).unwrap(), "a length below its header ends the datagram");
}

#[test]
fn an_attribute_reads_back_and_a_zero_length_one_ends_the_list() {
    let mut body = Vec::new();
    attribute(&mut body, 1, &[192, 0, 2]);
    attribute(&mut body, 5, &[192, 0, 2, 1]);
    body.extend([0; 8]);
    let all = attributes(&body);
    assert_eq!(all.len(), 2);
    assert_eq!(ip(all[1].1), Some(Ipv4Addr::new(192, 0, 2, 1).into()));
}
