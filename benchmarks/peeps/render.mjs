/* Draw the faces of Peeps: `npm install` in this folder, then `node render.mjs FOLDER`; pack_peeps.py packs them.

   FOLDER gets `pixels.bin`, one 32x32 RGB image after the other, and `labels.json`: the attributes with the names of
   their values, and for each image the number of its value of each. Every choice is a hash of the face's number and the
   attribute's name, so attributes are independent and every run draws the same. A face whose pixels were there before
   (what a mask covers is not seen) is left out. */

import { createHash } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { createAvatar } from '@dicebear/core';
import * as openPeeps from '@dicebear/open-peeps';
import { Resvg } from '@resvg/resvg-js';

const COUNT = Number(process.argv[3] ?? 20_000);
const SIDE = 32;
const FINER = 4; // drawn four times finer and averaged, which keeps thin lines even
const FRAME = '98 68 568 568'; // the head and a little of the shoulders, of a drawing of 704 x 704

// For each attribute: DiceBear's option, the values by name, and the probability of any but "none".
const ATTRIBUTES = {
  glasses: {
    option: 'accessories',
    values: {
      none: null, 'thin wide': 'glasses', 'thin round': 'glasses2', browline: 'glasses3', white: 'glasses4',
      round: 'glasses5', sunglasses: 'sunglasses', 'round sunglasses': 'sunglasses2',
    },
    probability: 0.45,
  },
  beard: {
    option: 'facialHair',
    values: {
      none: null, chin: 'chin', full: 'full', 'full with moustache': 'full2', long: 'full3', outlined: 'full4',
      goatee: 'goatee1', 'round goatee': 'goatee2', horseshoe: 'moustache2', walrus: 'moustache5',
      moustache: 'moustache9',
    },
    probability: 0.36,
  },
  mask: {
    option: 'mask',
    values: { none: null, white: 'medicalMask', teal: 'respirator' },
    probability: 0.12,
  },
  'hair style': {
    option: 'head',
    values: {
      bald: 'noHair1', afro: 'afro', bangs: 'bangs', bob: 'bangs2', buns: 'buns', dreadlocks: 'dreads2',
      'flat top': 'flatTop', bun: 'grayBun', knot: 'grayMedium', combed: 'grayShort', long: 'long',
      'chin-length': 'medium1', shoulder: 'medium3', 'long bangs': 'mediumBangs', 'parted bangs': 'mediumBangs3',
      mohawk: 'mohawk', pompadour: 'pomp', cropped: 'short1', wavy: 'short3', quiff: 'short4', short: 'short5',
      twists: 'twists', beanie: 'hatBeanie', hijab: 'hijab', turban: 'turban',
    },
  },
  'hair colour': {
    option: 'headContrastColor',
    values: {
      none: null, black: '231f1e', 'dark brown': '54321f', brown: '96592c', red: 'd0652b', blond: 'e8c26e',
      grey: 'bdbab6',
    },
    probability: 1, // "none" is what a bald head or one under a cloth gets
  },
  'skin tone': {
    option: 'skinColor',
    values: { 'very light': 'ffdbb4', light: 'edb98a', medium: 'd08b5b', dark: 'ae5d29', 'very dark': '694d3d' },
  },
  expression: {
    option: 'face',
    values: {
      smile: 'smile', grin: 'smileBig', laugh: 'smileTeethGap', calm: 'calm', cheeky: 'cheeky', cute: 'cute',
      talking: 'explaining', serious: 'serious', driven: 'driven', concerned: 'concerned', solemn: 'solemn',
      suspicious: 'suspicious', tired: 'tired', angry: 'veryAngry',
    },
  },
  clothing: {
    option: 'clothingColor',
    values: { red: 'e78276', yellow: 'ffcf77', green: '78e185', blue: '8fa7df', pink: 'e279c7', white: 'f4f4f4' },
  },
  background: {
    option: 'backgroundColor',
    values: { blue: 'b6e3f4', lilac: 'c0aede', pink: 'ffd5dc', peach: 'ffdfbf', green: 'c8e6c9' },
  },
};
const PROBABILITIES = ['accessoriesProbability', 'facialHairProbability', 'maskProbability'];
const HIDES_HAIR = ['noHair1', 'hijab', 'turban'];

/** A number in [0, 1) that depends on nothing but the words. */
function uniform(words) {
  return createHash('sha256').update(words).digest().readUInt32BE(0) / 2 ** 32;
}

/** The value of one attribute of face number `face`, as DiceBear names it; null for none. */
function chosen(face, name) {
  const { values, probability } = ATTRIBUTES[name];
  const some = Object.values(values).filter((value) => value !== null);
  if (probability !== undefined && uniform(`peep ${face}: any ${name}`) >= probability) return null;
  return some[Math.floor(uniform(`peep ${face}: ${name}`) * some.length)];
}

function drawing(choices) {
  const options = Object.fromEntries(PROBABILITIES.map((name) => [name, 0]));
  for (const [name, { option }] of Object.entries(ATTRIBUTES)) {
    options[option] = choices[name] === null ? [] : [choices[name]];
    if (choices[name] !== null && PROBABILITIES.includes(`${option}Probability`)) options[`${option}Probability`] = 100;
  }
  const svg = createAvatar(openPeeps, options).toString().replace('viewBox="0 0 704 704"', `viewBox="${FRAME}"`);
  const head = choices['hair style'] === 'hijab' ? choices.clothing : choices['hair colour'];
  return coloured(coloured(svg, 'matrix(.99789 0 0 1 156 62)', head), 'translate(279 400)', choices['hair colour']);
}

/** In the style most hair is black, in one path with the outlines: give it its colour and stroke the outlines again.

    The head and the beard are the groups with those `transform`s. */
function coloured(svg, transform, colour) {
  const start = svg.indexOf(`<g transform="${transform}">`);
  const stop = svg.indexOf('</g>', start);
  const painted = svg.slice(start, stop).replaceAll('fill="#000"', `fill="#${colour}" stroke="#000" stroke-width="9"`);
  return svg.slice(0, start) + painted + svg.slice(stop);
}

function pixelsOf(svg) {
  const width = SIDE * FINER;
  const fine = new Resvg(svg, { fitTo: { mode: 'width', value: width } }).render().pixels;
  const pixels = new Uint8Array(SIDE * SIDE * 3);
  for (let place = 0; place < pixels.length; place++) {
    const [channel, column, row] = [place % 3, Math.floor(place / 3) % SIDE, Math.floor(place / 3 / SIDE)];
    let sum = 0;
    for (let y = row * FINER; y < (row + 1) * FINER; y++)
      for (let x = column * FINER; x < (column + 1) * FINER; x++) sum += fine[(y * width + x) * 4 + channel];
    pixels[place] = Math.round(sum / FINER ** 2);
  }
  return pixels;
}

const names = Object.keys(ATTRIBUTES);
const images = [];
const labels = [];
const seen = new Set();
for (let face = 0; images.length < COUNT; face++) {
  const choices = Object.fromEntries(names.map((name) => [name, chosen(face, name)]));
  const pixels = pixelsOf(drawing(choices));
  const digest = createHash('sha256').update(pixels).digest('hex');
  if (seen.has(digest)) continue;
  seen.add(digest);
  images.push(pixels);
  if (HIDES_HAIR.includes(choices['hair style'])) choices['hair colour'] = null;
  labels.push(names.map((name) => Object.values(ATTRIBUTES[name].values).indexOf(choices[name])));
}
const attributes = Object.fromEntries(names.map((name) => [name, Object.keys(ATTRIBUTES[name].values)]));
mkdirSync(process.argv[2], { recursive: true });
writeFileSync(join(process.argv[2], 'pixels.bin'), Buffer.concat(images));
writeFileSync(join(process.argv[2], 'labels.json'), JSON.stringify({ attributes, labels }));
