/* A shared object, but no plugin. It keeps quiet about weir_plugin_entry. */
int not_a_plugin(void);
int not_a_plugin(void)
{
    return 1;
}
