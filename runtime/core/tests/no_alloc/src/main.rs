//! A cart without a standard library and without an allocator. Exits with 0 when an item that is carried in was
//! published as added.
#![no_std]
#![no_main]

use cartvision_core::{
    analytic, BBox, CameraId, ClassId, Detection, Effect, Effects, Input, MediaTime, Outcome, Role, Session,
    Settings, Zone,
};

// What the compiler calls (`memcpy` and the like) and who calls `main`.
#[link(name = "c")]
extern "C" {}

#[panic_handler]
fn stop(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}

/// Named by the precompiled `core`, never called: nothing unwinds.
#[no_mangle]
extern "C" fn rust_eh_personality() {}

#[no_mangle]
extern "C" fn main() -> i32 {
    let Ok(mut cart) = Session::new(Settings::default(), [Zone::whole()]) else { return 2 };
    let Some(camera) = CameraId::new(0) else { return 3 };
    let mut effects = Effects::new();
    let mut added = 0;
    cart.step(MediaTime::ZERO, Input::SessionStarted, &mut effects);
    for i in 0..200 {
        let now = MediaTime::from_ms(33 * (i + 1));
        // From the left edge to the middle between the 60th and the 90th picture.
        let x = 0.4 * (i.clamp(60, 90) - 60) as f32 / 30.0;
        let bbox = BBox { x0: x, y0: 0.3, x1: x + 0.1, y1: 0.5 };
        let item = [Detection { class: ClassId(1), role: Role::Item, score: 0.9, bbox }];
        let detections = if i < 60 { &item[..0] } else { &item[..] };
        cart.step(now, Input::Detected { camera, detections }, &mut effects);
        let mut asked = None;
        for effect in &effects {
            if let Effect::Classify(question) = effect {
                asked = Some(*question);
            }
        }
        if let Some(question) = asked {
            let answer = analytic::classify(&question);
            cart.step(now, Input::Classified { question: question.id, answer }, &mut effects);
        }
        for effect in &effects {
            added += i32::from(matches!(effect, Effect::Publish(d) if d.outcome == Outcome::Added));
        }
    }
    i32::from(added != 1 || cart.basket().count(ClassId(1)) != 1)
}
