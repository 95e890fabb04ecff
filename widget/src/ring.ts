// The playback ring: what is still to be heard, at the rate of the audio context.
//
// A run of speech starts with a little silence in front, so that the next chunk may come late. When too much has
// piled up the oldest is cut out; when the ring runs dry the sound fades. A flush drops every lower epoch, now and later.

export interface RingOptions {
  rate: number; // Hz
  chunkS: number;
  leadS: number;
  slackS: number;
  fadeS: number;
}

export const RING_DEFAULTS = { chunkS: 0.2, leadS: 0.08, slackS: 0.1, fadeS: 0.005 };

export interface Position {
  epoch: number;
  /** Ring samples of this epoch passed so far, those cut out by trimming included. */
  samples: number;
  /** How many of them were cut out. */
  trimmed: number;
  /** The chunk being heard, and how far into it, in ring samples. */
  seq: number;
  offset: number;
}

interface Mark {
  start: number; // absolute position of the first sample
  end: number;
  epoch: number;
  seq: number;
  lead: boolean; // silence put in front: not speech
}

export class PlaybackRing {
  underruns = 0;
  stale = 0; // chunks of a lower epoch that came after a flush
  private readonly data: Float32Array;
  private readonly fade: number;
  private readonly lead: number;
  private readonly steady: number; // fill right after a chunk when all is well
  private readonly most: number;
  private read = 0; // absolute positions
  private write = 0;
  private marks: Mark[] = [];
  private floorEpoch = 0;
  private position: Position = { epoch: 0, samples: 0, trimmed: 0, seq: -1, offset: 0 };
  private tail: Float32Array = new Float32Array(0); // fading remains of a cut, mixed over what follows
  private tailAt = 0;
  private rise: number; // samples already faded in after a cut; `fade` when done
  private draining = false;
  private lastSeq = -2;

  constructor(options: RingOptions) {
    this.fade = Math.round(options.fadeS * options.rate);
    this.lead = Math.round(options.leadS * options.rate);
    this.steady = Math.round((options.leadS + options.chunkS) * options.rate);
    this.most = this.steady + Math.round(options.slackS * options.rate);
    this.data = new Float32Array(Math.ceil(2 * (options.rate + this.most)));
    this.rise = this.fade;
  }

  get fill(): number {
    return this.write - this.read;
  }

  get played(): Position {
    return { ...this.position };
  }

  push(samples: Float32Array, epoch: number, seq: number): void {
    if (epoch < this.floorEpoch) {
      this.stale++;
      return;
    }
    if (epoch > this.floorEpoch) this.flush(epoch);
    if (seq <= this.lastSeq) {
      this.stale++; // a lane brought it twice, or after what follows it
      return;
    }
    if (samples.length === 0) return;
    const chunk = samples.slice(-(this.data.length >> 1));
    if (this.fill === 0 || this.draining) {
      if (seq === this.lastSeq + 1) {
        this.underruns++;
        for (let i = 0; i < Math.min(this.fade, chunk.length); i++) chunk[i]! *= i / this.fade;
      }
      this.draining = false;
      this.append(new Float32Array(this.lead), epoch, seq, true);
    }
    this.append(chunk, epoch, seq, false);
    this.lastSeq = seq;
    if (this.fill > this.most) this.cutTo(this.write - this.steady);
  }

  /** Drops everything below this epoch, with a short fade, and refuses what comes later of it. */
  flush(epoch: number): void {
    if (epoch <= this.floorEpoch) return;
    this.floorEpoch = epoch;
    if (this.fill > 0) this.cutTo(this.write);
    this.marks = [];
    this.lastSeq = -2;
    this.draining = false;
    this.position = { epoch, samples: 0, trimmed: 0, seq: -1, offset: 0 };
  }

  /** Fills `out` with what is to be heard next. */
  pull(out: Float32Array): void {
    out.fill(0);
    if (this.fill > 0 && !this.draining && this.fill < out.length + this.fade) this.drain();
    const n = Math.min(out.length, this.fill);
    for (let i = 0; i < n; i++) {
      let x = this.data[(this.read + i) % this.data.length]!;
      if (this.rise < this.fade) x *= ++this.rise / this.fade;
      out[i] = x;
    }
    for (let i = 0; i < out.length && this.tailAt < this.tail.length; i++) out[i]! += this.tail[this.tailAt++]!;
    this.advance(n, false);
    if (this.fill === 0) this.draining = false;
  }

  /** The last samples before the ring runs dry fade out. */
  private drain(): void {
    this.draining = true;
    const n = Math.min(this.fade, this.fill);
    for (let i = 0; i < n; i++) this.data[(this.write - 1 - i) % this.data.length]! *= i / n;
  }

  /** Goes on at an absolute position; what is left out fades over what follows. */
  private cutTo(position: number): void {
    const n = Math.min(this.fade, this.fill);
    const tail = new Float32Array(n);
    for (let i = 0; i < n; i++) tail[i] = this.data[(this.read + i) % this.data.length]! * (1 - (i + 1) / n);
    this.tail = tail;
    this.tailAt = 0;
    this.rise = 0;
    this.advance(position - this.read, true);
  }

  private append(samples: Float32Array, epoch: number, seq: number, lead: boolean): void {
    const start = this.write;
    for (let i = 0; i < samples.length; i++) this.data[(start + i) % this.data.length] = samples[i]!;
    this.write += samples.length;
    this.marks.push({ start, end: this.write, epoch, seq, lead });
  }

  private advance(count: number, cut: boolean): void {
    const to = this.read + count;
    for (let mark = this.marks[0]; mark && mark.start < to; mark = this.marks[0]) {
      const passed = Math.min(mark.end, to) - Math.max(mark.start, this.read);
      if (!mark.lead && passed > 0) {
        if (mark.epoch !== this.position.epoch) this.position = { epoch: mark.epoch, samples: 0, trimmed: 0, seq: -1, offset: 0 };
        this.position.samples += passed;
        if (cut) this.position.trimmed += passed;
        this.position.seq = mark.seq;
        this.position.offset = Math.min(mark.end, to) - mark.start;
      }
      if (mark.end > to) break;
      this.marks.shift();
    }
    this.read = to;
  }
}
