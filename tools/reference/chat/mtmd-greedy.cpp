// What llama.cpp answers about pictures, greedily: mtmd-greedy MMPROJ DECODER PROMPT STEPS ROWS [PICTURE...]
// PROMPT holds <__media__> once for each picture. ROWS is a file for the projected rows (float32), or "-".
// CPU, one thread, no flash attention, float32 KV cache; the end of a text is ignored. Prints one JSON object; for each step
// "gaps" is how far the second logit lies below the best as a share of all logits' spread, "margins" how far in logits.
#include "llama.h"
#include "mtmd-helper.h"
#include "mtmd.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

static void fail(const std::string & problem) {
    std::fprintf(stderr, "mtmd-greedy: %s\n", problem.c_str());
    std::exit(1);
}

static void quiet(ggml_log_level level, const char * text, void *) {
    if (level == GGML_LOG_LEVEL_ERROR) std::fputs(text, stderr);
}

int main(int argc, char ** argv) {
    if (argc < 6) fail("expected MMPROJ DECODER PROMPT STEPS ROWS [PICTURE...]");
    const char * prompt = argv[3];
    const int steps = std::atoi(argv[4]);
    llama_log_set(quiet, nullptr);
    mtmd_helper_log_set(quiet, nullptr);
    ggml_backend_load_all();

    llama_model_params model_params = llama_model_default_params();
    model_params.n_gpu_layers = 0;
    llama_model * model = llama_model_load_from_file(argv[2], model_params);
    if (!model) fail(std::string("cannot load ") + argv[2]);
    const llama_vocab * vocabulary = llama_model_get_vocab(model);
    const int vocabulary_size = llama_vocab_n_tokens(vocabulary);

    // Non-causal pictures need all their rows in one ubatch.
    const int batch_size = 2048;
    llama_context_params context_params = llama_context_default_params();
    context_params.n_ctx = 4096;
    context_params.n_batch = context_params.n_ubatch = batch_size;
    context_params.n_threads = context_params.n_threads_batch = 1;
    context_params.flash_attn_type = LLAMA_FLASH_ATTN_TYPE_DISABLED;
    context_params.type_k = context_params.type_v = GGML_TYPE_F32;
    llama_context * context = llama_init_from_model(model, context_params);
    if (!context) fail("no context");

    mtmd_context_params mtmd_params = mtmd_context_params_default();
    mtmd_params.use_gpu = false;
    mtmd_params.print_timings = false;
    mtmd_params.n_threads = 1;
    mtmd_params.flash_attn_type = LLAMA_FLASH_ATTN_TYPE_DISABLED;
    mtmd_params.warmup = false;
    mtmd_context * mtmd = mtmd_init_from_file(argv[1], model, mtmd_params);
    if (!mtmd) fail(std::string("cannot load ") + argv[1]);

    std::vector<const mtmd_bitmap *> pictures;
    for (int i = 6; i < argc; i++) {
        const mtmd_helper_bitmap_wrapper picture = mtmd_helper_bitmap_init_from_file(mtmd, argv[i], false, mtmd_helper_init_opt_default());
        if (!picture.bitmap) fail(std::string("cannot read ") + argv[i]);
        pictures.push_back(picture.bitmap);
    }
    const mtmd_input_text text = {prompt, std::strlen(prompt), /* add_special */ true, /* parse_special */ true};
    mtmd_input_chunks * chunks = mtmd_input_chunks_init();
    if (mtmd_tokenize(mtmd, chunks, &text, pictures.data(), pictures.size()) != 0) fail("cannot tokenize");

    size_t image_tokens = 0;
    FILE * rows = std::strcmp(argv[5], "-") == 0 ? nullptr : std::fopen(argv[5], "wb");
    for (size_t i = 0; i < mtmd_input_chunks_size(chunks); i++) {
        const mtmd_input_chunk * chunk = mtmd_input_chunks_get(chunks, i);
        if (mtmd_input_chunk_get_type(chunk) != MTMD_INPUT_CHUNK_TYPE_IMAGE) continue;
        const size_t tokens = mtmd_input_chunk_get_n_tokens(chunk);
        image_tokens += tokens;
        if (!rows) continue;
        if (mtmd_encode_chunk(mtmd, chunk) != 0) fail("cannot encode");
        std::fwrite(mtmd_get_output_embd(mtmd), sizeof(float), tokens * llama_model_n_embd_inp(model), rows);
    }
    if (rows) std::fclose(rows);

    llama_pos positions = 0;
    if (mtmd_helper_eval_chunks(mtmd, context, chunks, 0, 0, batch_size, /* logits_last */ true, &positions) != 0) fail("cannot decode the prompt");
    std::printf("{\"promptTokens\":%zu,\"imageTokens\":%zu,\"positions\":%d", mtmd_helper_get_n_tokens(chunks), image_tokens, positions);

    std::vector<llama_token> tokens;
    std::string gaps, margins, logprobs;
    llama_batch batch = llama_batch_init(1, 0, 1);
    for (int step = 0; step < steps; step++) {
        const float * logits = llama_get_logits_ith(context, -1);
        const llama_token best = std::max_element(logits, logits + vocabulary_size) - logits;
        const float least = *std::min_element(logits, logits + vocabulary_size);
        float second = least;
        for (int i = 0; i < vocabulary_size; i++) {
            if (i != best) second = std::max(second, logits[i]);
        }
        char gap[32];
        std::snprintf(gap, sizeof gap, "%s%.2g", step ? "," : "", (logits[best] - second) / (logits[best] - least));
        gaps += gap;
        std::snprintf(gap, sizeof gap, "%s%.3g", step ? "," : "", logits[best] - second);
        margins += gap;
        double sum = 0;
        for (int i = 0; i < vocabulary_size; i++) sum += std::exp(double(logits[i]) - logits[best]);
        std::snprintf(gap, sizeof gap, "%s%.5f", step ? "," : "", -std::log(sum));
        logprobs += gap;
        tokens.push_back(best);
        batch.n_tokens = 1;
        batch.token[0] = best;
        batch.pos[0] = positions++;
        batch.n_seq_id[0] = 1;
        batch.seq_id[0][0] = 0;
        batch.logits[0] = true;
        if (llama_decode(context, batch) != 0) fail("cannot decode");
    }
    std::printf(",\"tokens\":[");
    for (size_t i = 0; i < tokens.size(); i++) std::printf("%s%d", i ? "," : "", tokens[i]);
    std::printf("],\"gaps\":[%s],\"margins\":[%s],\"logprobs\":[%s]}\n", gaps.c_str(), margins.c_str(), logprobs.c_str());
}
