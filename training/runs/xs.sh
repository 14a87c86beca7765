#!/usr/bin/env bash
# The whole way from text to a chat model of 6.5 M parameters, on two CPU cores, in about two hours.
#
#   training/runs/xs.sh DATA RUN
#
# DATA holds the data sets (pretrain/*.jsonl.zst and sft/*.jsonl.zst), RUN is made and filled.
# Stop it with Ctrl-C and start it again with the same words: each stage that is done is skipped,
# and training goes on from its last checkpoint.
set -euo pipefail

DATA=${1:?"usage: training/runs/xs.sh DATA RUN"}
RUN=${2:?"usage: training/runs/xs.sh DATA RUN"}
PYTHON=${PYTHON:-python}

# Keep freed memory instead of handing it back to the kernel: about 15 % faster on a CPU.
export MALLOC_MMAP_THRESHOLD_=8589934592 MALLOC_TRIM_THRESHOLD_=17179869184
# Sleeping threads instead of spinning ones: better on a machine that has other work too.
export OMP_WAIT_POLICY=PASSIVE

mkdir -p "$RUN/generated"

# 1. Conversations from templates: most of what so small a model can be good at. The held-out ones
#    use phrasings and values that the others never do.
write_conversations() { # NAME COUNT SEED SPLIT
    local file="$RUN/generated/$1.jsonl.zst"
    [ -s "$file" ] && return
    "$PYTHON" -m training.generator --out "$RUN/generated/partial.$1.jsonl.zst" \
        --conversations "$2" --seed "$3" --split "$4" --data "$DATA"
    mv "$RUN/generated/partial.$1.jsonl.zst" "$file"
}
write_conversations train 150000 1 train
write_conversations sft 150000 2 train
write_conversations held_out 2000 7 held_out

# 2. A tokenizer of 8,192 tokens, trained on the same mixture.
[ -s "$RUN/tokenizer/tokenizer_config.json" ] ||
    "$PYTHON" -m training.tokenizer --data "$DATA" "$RUN" \
        --mixture training/mixtures/xs.toml --out "$RUN/tokenizer"

# 3. Everything as token ids.
[ -s "$RUN/shards/shards.json" ] ||
    "$PYTHON" -m training.data --data "$DATA" "$RUN" --mixture training/mixtures/xs.toml \
        --tokenizer "$RUN/tokenizer" --out "$RUN/shards"
[ -s "$RUN/sft_shards/shards.json" ] ||
    "$PYTHON" -m training.data --data "$DATA" "$RUN" --mixture training/mixtures/xs-sft.toml \
        --tokenizer "$RUN/tokenizer" --out "$RUN/sft_shards"

# 4. Pretraining on 16 M tokens, every one of which counts.
[ -s "$RUN/pretrain/model/config.json" ] ||
    "$PYTHON" -m training.pretrain --shards "$RUN/shards" --tokenizer "$RUN/tokenizer" \
        --out "$RUN/pretrain" --model XS --steps 2000 --rows 16 --accumulate 2 --length 256 \
        --optimizer muon --learning-rate 2.5e-3 --schedule wsd --decay-fraction 0.25 \
        --warmup-steps 60 --compile

# 5. Fine-tuning on 10 M tokens of conversations, of which the assistant's words count.
[ -s "$RUN/sft/model/config.json" ] ||
    "$PYTHON" -m training.sft --shards "$RUN/sft_shards" --tokenizer "$RUN/tokenizer" \
        --model "$RUN/pretrain/model" --out "$RUN/sft" --steps 1200 --rows 8 --accumulate 2 \
        --length 512 --optimizer muon --learning-rate 1e-3 --schedule linear --floor 0 \
        --warmup-steps 20 --weight-decay 0.05 --compile

# 6. How good is it?
"$PYTHON" -m training.evaluate --model "$RUN/sft/model" --shards "$RUN/sft_shards"

# 7. As ONNX with int8 weights, compared with torch and refused if quantisation costs too much. It was
#    fine-tuned on rows of 512 tokens, so it is given no more.
#    `make run ARGS="--model RUN/exported"` serves it.
"$PYTHON" -m training.export --checkpoint "$RUN/sft/model" --out "$RUN/exported" --name palaver \
    --run "$RUN/pretrain" "$RUN/sft" --mixture training/mixtures/xs.toml \
    training/mixtures/xs-sft.toml --held-out "$RUN/sft_shards" --context-length 512 --strict --force
