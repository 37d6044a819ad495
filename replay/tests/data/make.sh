#!/bin/sh
# Makes the audio beside it. Needs ffmpeg, espeak-ng and the LibriVox cuts of Debian's pocketsphinx-testdata
# (public domain); the Spanish sentence is our own, spoken by espeak-ng.
set -eu
cd -- "$(dirname -- "$0")"
cuts=${CUTS:-/usr/share/pocketsphinx/test/data/librivox}/sense_and_sensibility_01_austen_64kb
spoken=$(mktemp)
trap 'rm -f "$spoken"' EXIT

encode() { ffmpeg -nostdin -v error -y "$@"; }
encode -i "$cuts-0890.wav" -t 4 -ar 44100 -ac 2 -c:a aac -b:a 40k english.aac
encode -i english.aac -af "volume=-12dB,adelay=800:all=1" -t 4 -ar 22050 -ac 1 -c:a aac -b:a 24k english-again.aac
encode -i english.aac -t 2 -ac 1 -c:a aac -b:a 24k english.m4a
encode -i english.aac -t 2 -ac 1 -ar 22050 -c:a libmp3lame -b:a 24k english.mp3
encode -i "$cuts-0920.wav" -t 4 -ar 22050 -ac 1 -c:a aac -b:a 24k other-english.aac
espeak-ng -v es -s 150 -w "$spoken" "El tren a las montañas sale a las nueve y llega por la noche."
encode -i "$spoken" -t 4 -ar 22050 -ac 1 -c:a aac -b:a 24k spanish.aac
encode -f lavfi -i "sine=440:d=2" -ar 16000 -ac 1 -c:a aac -b:a 16k tone.aac
