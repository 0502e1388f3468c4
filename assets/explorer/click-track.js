// A metronome over a loop, mixed into its samples: so it keeps to the loop's own clock wherever that is played from.

const CLICK_S = 0.03;
const PITCH_HZ = [1760, 1320]; // of the first beat in four, and of the others
const BEATS_A_BAR = 4;
const LOOP_SHARE = 0.6; // of the mix, the rest is the click: together they are no louder than the loop alone

/**
 * The clicks alone, full scale 1: one a beat from the first sample on; where the loop begins anew, so do they.
 * @param {number} length in samples
 * @param {number} rate in Hz
 * @param {number} bpm beats per minute
 */
export function clicks(length, rate, bpm) {
  const track = new Float32Array(length);
  const size = Math.round(CLICK_S * rate);
  for (let beat = 0; ; beat += 1) {
    const start = Math.round((beat * 60 * rate) / bpm);
    if (start >= length) return track;
    const step = (2 * Math.PI * PITCH_HZ[beat % BEATS_A_BAR ? 1 : 0]) / rate;
    for (let i = 0; i < size && start + i < length; i += 1) {
      track[start + i] = Math.cos(step * i) * (1 - i / size) ** 2;
    }
  }
}

/** A loop's channel with clicks at `bpm`, its highest sample no higher than before. @param {Float32Array} samples @param {number} rate @param {number} bpm */
export function withClicks(samples, rate, bpm) {
  const peak = samples.reduce((highest, sample) => Math.max(highest, Math.abs(sample)), 0);
  const loud = (1 - LOOP_SHARE) * peak;
  return clicks(samples.length, rate, bpm).map((click, i) => LOOP_SHARE * samples[i] + loud * click);
}

/** The same of a decoded loop. @param {AudioBuffer} buffer @param {number} bpm */
export function bufferWithClicks(buffer, bpm) {
  const { length, numberOfChannels, sampleRate } = buffer;
  const mixed = new AudioBuffer({ length, numberOfChannels, sampleRate });
  for (let channel = 0; channel < numberOfChannels; channel += 1) {
    mixed.copyToChannel(withClicks(buffer.getChannelData(channel), sampleRate, bpm), channel);
  }
  return mixed;
}
