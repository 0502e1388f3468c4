// What the explorer's JavaScript is checked against by `make check-js`; the browser never gets this file.
// Everything here is global: the .js files name these types without importing them.

type Mark = "keep" | "quarantine" | "love";
type Badge = "faulty" | "interesting" | "normal";
type Judged = Badge | "unscored"; // without a badge: nothing speaks for or against it yet
type Numbers = Float32Array | Float64Array | Uint8Array | Int32Array;
type Span = readonly number[]; // low, high
type Child = Node | string | null | undefined | readonly Child[];
type Attributes = Record<string, string | number | boolean | null | undefined | ((event: any) => unknown)>; // any event

// The classes and what they are made of.
type AudioEngine = import("./explorer/audio-engine.js").AudioEngine;
type Chart = import("./explorer/chart.js").Chart;
type Explorer = import("./explorer/explorer.js").Explorer;
type Focus = import("./explorer/focus.js").Focus;
type Moments = import("./explorer/moments.js").Moments;
type Outbox = import("./explorer/outbox.js").Outbox;
type Heatmap = import("./explorer/heatmap.js").Heatmap;
type Loops = import("./explorer/loops.js").Loops;
type Ranking = import("./explorer/ranking.js").Ranking;
type Scatter = import("./explorer/scatter.js").Scatter;
type Session = import("./explorer/session.js").Session;
type Views = import("./explorer/views.js").Views;
type Addresses = import("./explorer/transport.js").Addresses;
type Theme = ReturnType<typeof import("./explorer/theme.js").applyTheme>;
type PixelAxis = ReturnType<typeof import("./explorer/plotly-internals.js").xAxis>;
type IconName = Parameters<typeof import("./explorer/dom.js").icon>[0];

/** Loops of one bar or band. `rows`: descending row numbers; `index`: which of them played last. */
type Group = { key: string; label: string; rows: number[]; index: number };
type Picked = (row: number) => unknown;
type FileFormat = "png" | "svg" | "html";

/** A decoded loop; `lufs` and `peak` (dBFS) are NaN where the server could not measure them. */
type Clip = { buffer: AudioBuffer; lufs: number; peak: number };
type StreamedClip = { buffer: null; lufs: number; peak: number };

/** What keys and buttons may ask of the explorer. */
interface Actions {
  step(steps: number): void;
  peek(steps: number): number;
  similar(steps: number): void;
  border(): void;
  page(pages: number): void;
  end(way: -1 | 1): void; // of the list: its first or last loop
  toggle(): void;
  replay(): void;
  here(): void; // the oddest moment
  seek(share: number): void;
  mark(mark: Mark): void;
  search(): void;
  hit(): void; // the first that the search finds
  leave(): void; // the search field
  clear(): void;
  used(): void; // a key was
  help(): void;
  announce(text: string): void;
}

/** A mark or note that is not saved yet; `at`: milliseconds since 1970. */
type OutboxEntry = { serial: number; kind: "mark" | "note"; loop_id: string; value: string | null; at: number };
type Refused = { serial: number; reason: string; elsewhere?: boolean };
type OutboxAnswer = { acknowledged: number[]; refused: Refused[] };

/** Runs tasks one at a time, over all tabs. */
interface Turns {
  take<T>(task: () => Promise<T>): Promise<T>;
}

// Between Python and the browser (loopscope/ui/explorer, loopscope/ui/widgets, loopscope/ui/explain/comparison.py).

/** What Streamlit hands to a component. */
interface Component<Data> {
  data: Data;
  parentElement: HTMLElement;
  setStateValue(name: string, value: unknown): void;
  setTriggerValue(name: string, value: unknown): void;
}

interface ExplorerData {
  key: string;
  assets: string;
  plotly: string;
  token: string;
  version: string;
  title: string;
  percentile: number;
  selected: string | null;
  marks: Record<string, Mark>;
  notes?: string[]; // ids of the loops that have one
  acknowledged: number;
  height: number;
  provisional?: boolean;
  taught?: string; // names what marks teach, "" without marks
  project?: string; // id, "" where there is none
  view?: unknown; // what view-state.js saved last for this project
}

/** What the browser tells Python: a state of the component, and what it says. */
interface Commit {
  name: string;
  state: { value: any; version: string; serial: number };
}

/** What the server answers once a second (loopscope/ui/server/messages.py). */
interface Pulse {
  task: { title: string; text: string; share: number; stopping: boolean; cancellable: boolean } | null;
  generation: number;
  explorer: { version: string; provisional: boolean; project: string } | null;
  notice: { id: number; text: string } | null;
}

type StatusData = {
  key: string;
  assets: string;
  token: string;
  generation: number | null;
  project: string;
  loop: string | null;
};

interface NoteData {
  key: string;
  assets: string;
  token: string;
  id: string;
  name: string;
  value: string;
  longest: number;
  placeholder: string;
  help: string;
  acknowledged: number;
}

interface FigureData {
  assets: string;
  plotly: string;
  token: string;
  version: string;
  name: string;
  title: string;
  note: string;
  describe: string;
  height: number;
}

interface ComparisonLoop {
  id: string;
  name: string;
  note: string;
  title: string;
  role: string;
  flagged: boolean;
  /** of a loop of another folder: where it is to be heard */
  address: string;
}
interface ComparisonData {
  key: string;
  assets: string;
  beside: ComparisonLoop[];
  similar: ComparisonLoop[];
  kin: ComparisonLoop[];
  /** which of those to keep, a sentence or nothing */
  keeper: string;
}

interface FamilyMember {
  id: string;
  family: number;
  name: string;
  folder: string;
  note: string;
  keep: boolean;
  why: string;
  mark: string;
  /** whether it lies in the folder that is open; else `address` opens the other one */
  here: boolean;
  address: string;
  seconds: number;
}
interface FamiliesData {
  key: string;
  assets: string;
  members: FamilyMember[];
  token: string;
  /** whether the explorer is on the page */
  explorer: boolean;
}

/** A loop of another folder, which is heard and nothing else. */
type Guest = { id: string; name: string; seconds: number };

type Sounding = { id: string | null; click: number | null; streams: boolean };
type MetronomeData = { key: string; assets: string; id: string; tempi: { bpm: number; said: string }[] };

type UploadFile = { name: string; size: number; body: Blob };
type UploadData = { key: string; assets: string; token: string; suffixes: string[]; noun: "folder" | "file"; hint: string };

type DownloadLink = { label: string; name: string; address: string };
type DownloadsData = { assets: string; links: DownloadLink[] };

interface LoopTable {
  ids: string[];
  names: string[];
  levels: Record<string, string[]>;
  explained: number[];
  dimensions: number[];
  totalDimensions: number;
  near: boolean;
  moments?: boolean; // whether the model hears where a loop is odd
  title?: string;
  unscored?: number; // the first rows, of which there is no score yet
  briefs?: string[]; // the main finding of the signal checks, "" for none
  faultKinds?: string[]; // what the bits of `faults` and `suspicions` stand for
}

/** Row by row of the table, ascending by score; matrices are flat. Codes and values of columns go by `code:` and `value:`. */
type Points = {
  scores: Float64Array;
  reference: Float64Array;
  validation: Uint8Array;
  durations: Float32Array;
  coordinates: Matrix;
  faults?: Int32Array;
  suspicions?: Int32Array;
  listen?: Int32Array;
  modified?: Float64Array;
} & Record<`code:${string}`, Int32Array> &
  Record<`value:${string}`, Float32Array>;

/** What marks teach, row by row: ranks of "Listen first", by how much the evidence moved, the row of the marked loop that
 * moved it most (−1: none, −2: one that is not in the table). */
type Lesson = { name: string; listen: Int32Array; shift: Float32Array; because: Int32Array; unsure: Float32Array };

/** A moment of a loop; `at` in seconds. */
type LoopMoment = { id: string; at: number };
/** How odd each moment of one loop is (1: typical), one every `step` seconds; the oddest; those of others like it. */
type LoopMoments = { curve: number[]; step: number; at: number; odd: number; beside: LoopMoment[] };
type Matrix = Float32Array & { shape: number[] };

// The part of Plotly that is used. Traces and layouts are plain objects of hundreds of optional keys: `any`.

type PlotTrace = Record<string, any>;
type PlotLayout = Record<string, any>;
type PlotFigure = { data: PlotTrace[]; layout: PlotLayout };

interface PlotElement extends HTMLDivElement, PlotFigure {
  on(event: string, task: (event: any) => void): void;
}

interface PlotlyLibrary {
  newPlot(plot: HTMLElement, data: PlotTrace[], layout: PlotLayout, config: object): Promise<PlotElement>;
  react(plot: HTMLElement, data: PlotTrace[], layout: PlotLayout, config?: object): Promise<PlotElement>;
  restyle(plot: HTMLElement, changes: object, traces: number[]): Promise<PlotElement>;
  relayout(plot: HTMLElement, changes: object): Promise<PlotElement>;
  update(plot: HTMLElement, traces: object, layout: object): Promise<PlotElement>;
  purge(plot: HTMLElement): void;
  downloadImage(figure: PlotFigure, options: object): Promise<string>;
  Plots: { resize(plot: HTMLElement): Promise<unknown> };
}

interface Window {
  Plotly?: PlotlyLibrary;
  __loopscope?: { explorer: Explorer; audio(): object };
}

interface DocumentEventMap {
  "loopscope:play": CustomEvent<{ id: string; name?: string; seconds?: number }>;
  "loopscope:select": CustomEvent<{ id: string }>;
  "loopscope:click": CustomEvent<{ id: string; bpm: number }>;
  "loopscope:prefetch": CustomEvent<{ ids: string[] }>;
  "loopscope:selected": CustomEvent<{ id: string | null }>;
  "loopscope:connection": CustomEvent<{ up: boolean }>;
  "loopscope:sounding": CustomEvent<Sounding>;
  "loopscope:pulse": CustomEvent<Pulse>;
}
