//! Reads ffmpeg's `framecrc` output: a header that names the streams, then one line per packet.

/// A packet, in seconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Packet {
    pub(super) kind: &'static str,
    pub(super) stream: i64,
    pub(super) pts_s: Option<f64>,
    pub(super) dts_s: Option<f64>,
    pub(super) duration_s: Option<f64>,
    pub(super) bytes: i64,
    pub(super) key: bool,
}

/// How ffmpeg writes that a time is not known.
const NO_TIME: i64 = i64::MIN;

/// A reader of lines; it knows the streams of the header.
#[derive(Default)]
pub(super) struct Framecrc {
    streams: Vec<Stream>,
}

#[derive(Clone, Copy, Default)]
struct Stream {
    kind: Option<&'static str>,
    /// A tick is so many seconds: a fraction, so that times stay round.
    tick_s: (f64, f64),
}

impl Framecrc {
    /// Takes in a line; a packet, where it is one. Other lines than packets and the header mean nothing.
    pub(super) fn line(&mut self, line: &str) -> Option<Packet> {
        match line.strip_prefix('#') {
            Some(header) => {
                self.header(header);
                None
            }
            None => self.packet(line),
        }
    }

    /// `tb 0: 1/1000`, `media_type 0: audio`, and others that don't matter.
    fn header(&mut self, header: &str) -> Option<()> {
        let (field, value) = header.split_once(": ")?;
        let (field, number) = field.split_once(' ')?;
        let number: usize = number.parse().ok().filter(|number| *number < 64)?;
        if self.streams.len() <= number {
            self.streams.resize(number + 1, Stream::default());
        }
        let stream = &mut self.streams[number];
        match field {
            "media_type" => {
                stream.kind = ["video", "audio"].into_iter().find(|kind| *kind == value.trim());
            }
            "tb" => {
                let (numerator, denominator) = value.trim().split_once('/')?;
                stream.tick_s = (numerator.parse().ok()?, denominator.parse().ok()?);
            }
            _ => {}
        }
        Some(())
    }

    /// `stream, dts, pts, duration, bytes, checksum[, F=flags]`: the flags are written only if they are not KEY alone.
    fn packet(&self, line: &str) -> Option<Packet> {
        let mut fields = line.split(',').map(str::trim);
        let mut number = || fields.next()?.parse::<i64>().ok();
        let (stream, dts, pts, duration, bytes) = (number()?, number()?, number()?, number()?, number()?);
        let of = self.streams.get(usize::try_from(stream).ok()?)?;
        let flags = fields.find_map(|field| field.strip_prefix("F=0x"));
        let flags = flags.map_or(Some(1), |hex| u32::from_str_radix(hex, 16).ok());
        let seconds = |ticks: i64| (ticks != NO_TIME).then_some(ticks as f64 * of.tick_s.0 / of.tick_s.1);
        Some(Packet {
            kind: of.kind?,
            stream,
            pts_s: seconds(pts),
            dts_s: seconds(dts),
            duration_s: seconds(duration).filter(|duration| *duration > 0.0),
            bytes,
            key: flags? & 1 == 1,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_of_ffmpeg_is_read() {
        let mut reader = Framecrc::default();
        for line in [
            "#extradata 0:        5, 0x0366015d",
            "#software: Lavf59.27.100",
            "#tb 0: 1/1000",
            "#media_type 0: video",
            "#codec_id 0: h264",
            "#dimensions 0: 640x360",
            "#tb 1: 1/44100",
            "#media_type 1: audio",
        ] {
            assert_eq!(reader.line(line), None, "{line}");
        }
        let video = reader.line("0,       1023,       1056,       33,    17845, 0x59e0ac4f").unwrap();
        assert_eq!((video.kind, video.stream, video.key, video.bytes), ("video", 0, true, 17845));
        assert_eq!((video.dts_s, video.pts_s, video.duration_s), (Some(1.023), Some(1.056), Some(0.033)));
        let audio = reader.line("1,      44100,      44100,     1024,      355, 0x946dacd5, F=0x0, S=1, 10").unwrap();
        assert_eq!((audio.kind, audio.key, audio.pts_s), ("audio", false, Some(1.0)));
    }

    #[test]
    fn what_is_not_known_is_absent_and_nonsense_is_nothing() {
        let mut reader = Framecrc::default();
        reader.line("#tb 0: 1/1000");
        reader.line("#media_type 0: video");
        let packet = reader.line("0, -9223372036854775808, 5, 0, 7, 0x0, F=0x5").unwrap();
        assert_eq!((packet.dts_s, packet.pts_s, packet.duration_s, packet.key), (None, Some(0.005), None, true));
        for line in
            ["", "0, 1, 2", "9, 1, 1, 1, 1, 0x0", "x, 1, 1, 1, 1, 0x0", "#", "#tb 99999999999: 1/1", "-1,1,1,1,1,"]
        {
            assert_eq!(reader.line(line), None, "{line}");
        }
    }
}
