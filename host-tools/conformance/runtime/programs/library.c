/*
 * The library that programs load while they run. It needs no header of any runtime: Java finds its native
 * method by name, and Node takes what the register function returns for the module's exports.
 */
int windlass_answer(void) { return 42; }

int Java_Program_answer(void *environment, void *type) {
  (void)environment;
  (void)type;
  return 42;
}

void *napi_register_module_v1(void *environment, void *exports) {
  (void)environment;
  return exports;
}
