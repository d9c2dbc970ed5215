// What the examples of docs/clients.md import from elsewhere, as far as they use it.

declare module 'expo-secure-store' {
  type Options = { keychainAccessible?: number };
  const AFTER_FIRST_UNLOCK_THIS_DEVICE_ONLY: number;
  function getItemAsync(key: string, options?: Options): Promise<string | null>;
  function setItemAsync(key: string, value: string, options?: Options): Promise<void>;
  function deleteItemAsync(key: string, options?: Options): Promise<void>;
}
